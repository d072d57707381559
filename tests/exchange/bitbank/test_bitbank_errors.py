"""Every error code of bitbank has one meaning, and the documentation shows it."""

import re
from pathlib import Path

import pytest

from crypto_kedro.exchange.bitbank.errors import MEANINGS, error_for, error_table
from crypto_kedro.exchange.port import (
    BadCredentialsError,
    ExchangeError,
    RefusedError,
    RetryLaterError,
    RetryNowError,
    StopTradingError,
)
from crypto_kedro.trading.orders import RefusalCode

CONNECTOR_PAGE = Path(__file__).parents[3] / "docs" / "connector.md"
DOCUMENTED = """
10000 10001 10002 10003 10005 10007 10008 10009 20001 20002 20003 20004 20005 20018 20019 20033 20034 20035 20036
20037 20038 20039 30001 30006 30007 30009 30012 30013 30015 30101 40001 40006 40007 40008 40009 40013 40014 40015
40017 40020 40021 40022 40023 40024 40025 40112 40113 40114 40164 40165 40200 50003 50004 50005 50006 50008 50009
50010 50026 50027 50058 50059 50060 50061 50062 50072 50073 50078 50079 50080 50081 60001 60002 60003 60004 60005
60006 60011 60016 60018 60019 70001 70002 70003 70004 70005 70006 70009 70010 70011 70012 70013 70017 70018 70019
70020 70021 70022 70023 70024 70025 70026
"""


@pytest.mark.parametrize("code", [int(code) for code in DOCUMENTED.split()])
def test_given_a_documented_code_when_met_then_its_meaning_and_remedy_are_said(code: int) -> None:
    error = error_for(code, "bitbank POST user/spot/order")

    assert error.code == code
    assert MEANINGS[code].text in str(error)
    assert MEANINGS[code].remedy in str(error)


@pytest.mark.parametrize("code", list(RefusalCode))
def test_given_a_code_that_the_matching_engine_refuses_with_when_met_then_the_order_does_not_exist(
    code: RefusalCode,
) -> None:
    assert error_for(code, "new order").outcome_known


@pytest.mark.parametrize(
    ("code", "expected", "outcome_known"),
    [
        (20035, RetryNowError, True),
        (10007, RetryLaterError, True),
        (10001, RetryLaterError, False),
        (70011, RetryLaterError, False),
        (50062, RefusedError, True),
        (50005, StopTradingError, True),
        (20005, BadCredentialsError, True),
        (60020, RefusedError, False),
        (50088, RefusedError, False),
        (-1, RefusedError, False),
    ],
)
def test_given_a_code_when_met_then_it_says_what_to_do_and_whether_an_order_may_exist(
    code: int, expected: type[ExchangeError], outcome_known: bool
) -> None:
    error = error_for(code, "new order")

    assert type(error) is expected
    assert error.outcome_known is outcome_known


def test_given_the_documentation_when_compared_with_the_mapping_then_the_table_is_the_same() -> None:
    written = re.search(r"\| code \|.*?(?=\n\n|\Z)", CONNECTOR_PAGE.read_text(encoding="utf-8"), re.DOTALL)

    assert written is not None
    assert written.group().strip() == error_table(), "write the output of error_table() into docs/connector.md"
