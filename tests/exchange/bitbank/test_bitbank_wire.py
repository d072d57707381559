"""What the connector sends over the wire, and what it makes of answers that are none."""

import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from rows import NOW_MS, assets, margin_positions, margin_status, order_row, trade_row
from wire_server import CUT, HALF, Step, WireServer, data, error

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankMarketData, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.client import WireClient
from crypto_kedro.exchange.port import (
    BadCredentialsError,
    ExchangeError,
    RefusedError,
    RetryLaterError,
    RetryNowError,
    StopTradingError,
    UnusablePrivateAnswerError,
)
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side

Run = Callable[..., Any]
STOP = OrderRequest(
    side=Side.SELL,
    type=OrderType.STOP,
    amount=Btc.of("0.01"),
    trigger_price=Price(14_000_000),
    position_side=PositionSide.LONG,
)


def test_given_the_published_check_vector_when_an_order_is_read_then_the_signature_is_that_of_the_query(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/spot/order", data(**order_row(order_id=1)))

    run(bitbank.order(1))

    (sent,) = server.sent
    assert sent.path == "/v1/user/spot/order?pair=btc_jpy&order_id=1"
    assert sent.headers["ACCESS-REQUEST-TIME"] == "1700000000000"
    assert sent.headers["ACCESS-TIME-WINDOW"] == "5000"
    assert sent.headers["ACCESS-SIGNATURE"] == "849dda647972a2e234975e736415b45209135c912e0a827d9ce15b1c109ee77c"


def test_given_the_published_check_vector_when_an_order_is_cancelled_then_the_signature_is_that_of_the_body(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("POST /v1/user/spot/cancel_order", data(**order_row(order_id=1)))

    run(bitbank.cancel(1))

    (sent,) = server.sent
    assert sent.body == b'{"pair":"btc_jpy","order_id":1}'
    assert sent.headers["ACCESS-SIGNATURE"] == "4cde2d21009cfa23f8859b961ead2df11dd65ed52dca76c8ac38d0be36a1cd61"


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (
            STOP,
            {"side": "sell", "type": "stop", "amount": "0.0100", "trigger_price": "14000000", "position_side": "long"},
        ),
        (
            OrderRequest(
                side=Side.BUY, type=OrderType.LIMIT, amount=Btc.of("0.1"), price=Price(15_000_000), post_only=True
            ),
            {"side": "buy", "type": "limit", "amount": "0.1000", "price": "15000000", "post_only": True},
        ),
        (
            OrderRequest(
                side=Side.BUY, type=OrderType.STOP_LOSS, trigger_price=Price(9), position_side=PositionSide.SHORT
            ),
            {"side": "buy", "type": "stop_loss", "trigger_price": "9", "position_side": "short"},
        ),
        (
            OrderRequest(side=Side.SELL, type=OrderType.MARKET, amount=Btc.of("1")),
            {"side": "sell", "type": "market", "amount": "1.0000"},
        ),
    ],
)
def test_given_a_request_when_placed_then_the_body_holds_bitbanks_own_names_and_exact_strings(
    bitbank: BitbankExchange, server: WireServer, run: Run, request_: OrderRequest, body: dict[str, Any]
) -> None:
    server.on("POST /v1/user/spot/order", data(**order_row()))

    run(bitbank.place(request_))

    assert server.sent[0].json == {"pair": "btc_jpy"} | body


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>maintenance</html>"),
        (200, ""),
        (200, "[]"),
        (200, '{"orders":[]}'),
        (200, '{"success":1}'),
        (200, '{"success":1,"data":[]}'),
        (200, '{"success":1,"data":{"orders":['),
        (429, "slow down"),
        (502, "<html>bad gateway</html>"),
        (503, ""),
        CUT,
        HALF,
    ],
)
def test_given_an_answer_that_is_no_envelope_when_reading_then_it_is_an_error_to_try_later(
    bitbank: BitbankExchange, server: WireServer, run: Run, answer: Step
) -> None:
    server.on("GET /v1/user/spot/active_orders", answer)

    with pytest.raises(RetryLaterError) as caught:
        run(bitbank.open_orders())

    assert caught.value.outcome_known is False


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (10007, RetryLaterError),
        (10009, RetryLaterError),
        (20002, BadCredentialsError),
        (20034, RetryNowError),
        (50009, RefusedError),
        (50004, StopTradingError),
    ],
)
def test_given_an_error_code_when_reading_then_it_decides_whatever_the_http_status_says(
    bitbank: BitbankExchange, server: WireServer, run: Run, status: int, code: int, expected: type[ExchangeError]
) -> None:
    server.on("GET /v1/user/assets", error(code, status))

    with pytest.raises(expected) as caught:
        run(bitbank.balances())

    assert caught.value.code == code
    assert f"code {code}" in str(caught.value)


def test_given_a_request_that_came_too_late_when_signed_anew_then_it_passes(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/assets", error(20035), data(**assets()))

    run(bitbank.balances())

    assert server.targets() == ["GET /v1/user/assets"] * 2


def test_given_nobody_listening_when_asked_then_nothing_was_done(run: Run) -> None:
    closed = WireServer()
    closed.close()

    async def ask() -> None:
        async with BitbankMarketData(BitbankSettings(public_url=closed.url)) as market:
            await market.ticker()

    with pytest.raises(RetryLaterError) as caught:
        run(ask())

    assert caught.value.outcome_known is True


def test_given_no_answer_in_time_when_asked_then_the_wait_ends(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        async def ask() -> None:
            async with BitbankMarketData(BitbankSettings(public_url=url, timeout_s=0.1)) as market:
                await market.ticker()

        with pytest.raises(RetryLaterError) as caught:
            run(ask())

    assert caught.value.outcome_known is False


def test_given_a_missing_field_when_reading_then_the_answer_is_unusable_and_the_field_is_named(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/spot/order", data(**order_row(executed_amount=...)))

    with pytest.raises(UnusablePrivateAnswerError, match="executed_amount"):
        run(bitbank.order(1))


def test_given_unknown_fields_when_reading_then_they_are_passed_over(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/spot/order", data(**order_row(), news=[1, {"a": None}]))

    assert run(bitbank.order(60_000_000_001)).order_id == 60_000_000_001


@pytest.mark.parametrize("path", ["user/request_withdrawal", "user/withdrawal_account", "user/confirm_deposits"])
def test_given_a_path_that_moves_money_when_signing_then_it_is_refused(path: str) -> None:
    wire = WireClient(BitbankSettings(), Credentials("k", "s"), lambda: 0)

    with pytest.raises(ExchangeError, match="signs only what trading needs"):
        wire.sign(path, ["private"], "POST", {})


def test_given_no_credentials_when_the_account_is_asked_for_then_the_variables_are_named(run: Run) -> None:
    async def ask() -> None:
        wire = WireClient(BitbankSettings(), None, lambda: 0)
        try:
            await wire.ask("user/assets")
        finally:
            await wire.close()

    with pytest.raises(BadCredentialsError, match="BITBANK_API_KEY"):
        run(ask())


def test_given_all_logs_open_when_calls_succeed_and_fail_then_neither_key_nor_secret_nor_signature_shows(
    bitbank: BitbankExchange,
    server: WireServer,
    run: Run,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("ccxt", "ccxt.base.exchange", "aiohttp", "asyncio", "crypto_kedro"):
        caplog.set_level(logging.DEBUG, logger=name)
    server.on("POST /v1/user/spot/order", data(**order_row()))
    server.on("GET /v1/user/assets", error(20001), CUT, (200, "<html>"))
    seen = [repr(bitbank), str(bitbank), repr(bitbank.__dict__), repr(bitbank._wire), repr(Credentials("k-1", "s-1"))]

    run(bitbank.place(STOP))
    for _ in range(3):
        with pytest.raises(CryptoKedroError) as caught:
            run(bitbank.balances())
        error_: BaseException | None = caught.value
        while error_ is not None:
            seen += [repr(error_), str(error_)]
            error_ = error_.__cause__
    seen += [record.getMessage() for record in caplog.records] + list(capfd.readouterr())

    signatures = [sent.headers["ACCESS-SIGNATURE"] for sent in server.sent]
    everything = "\n".join(seen)
    for hidden in ("key-4e1f", "test-secret", "k-1", "s-1", *signatures):
        assert hidden not in everything
    assert len(signatures) >= 4


def test_given_environment_and_file_when_credentials_are_looked_for_then_the_environment_wins() -> None:
    configured = {"key": "file-key", "secret": "file-secret"}

    found = Credentials.find(configured, {"BITBANK_API_KEY": "a", "BITBANK_API_SECRET": "b"})

    assert found == Credentials("a", "b")
    assert Credentials.find(configured, {}) == Credentials("file-key", "file-secret")
    assert Credentials.find(None, {}) is None


@pytest.mark.parametrize("environment", [{"BITBANK_API_KEY": "a"}, {"BITBANK_API_SECRET": "b"}])
def test_given_half_of_the_credentials_when_looked_for_then_both_names_are_in_the_error(
    environment: dict[str, str],
) -> None:
    with pytest.raises(ConfigurationError, match="BITBANK_API_KEY and BITBANK_API_SECRET"):
        Credentials.find(None, environment)


def test_given_a_key_that_may_only_read_when_its_rights_are_checked_then_it_is_refused(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/assets", data(**assets()))
    server.on("POST /v1/user/spot/cancel_order", error(20001))

    with pytest.raises(BadCredentialsError):
        run(bitbank.check_rights())


def test_given_a_key_that_may_trade_when_its_rights_are_checked_then_only_an_impossible_cancel_was_sent(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/assets", data(**assets()))
    server.on("POST /v1/user/spot/cancel_order", error(50009))

    run(bitbank.check_rights())

    assert server.targets() == ["GET /v1/user/assets", "POST /v1/user/spot/cancel_order"]


def test_given_three_full_pages_of_fills_when_read_then_each_fill_comes_once_and_in_order(
    bitbank: BitbankExchange, server: WireServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto_kedro.exchange.bitbank.connector._FILLS_PAGE", 2)
    rows = [trade_row(trade_id=number, executed_at=NOW_MS + number) for number in range(1, 6)]
    pages = [rows[0:2], rows[1:3], rows[2:4], rows[3:5], rows[4:5]]
    server.on("GET /v1/user/spot/trade_history", *[data(trades=page) for page in pages])

    fills = run(bitbank.fills_since(NOW_MS))

    assert [fill.trade_id for fill in fills] == [1, 2, 3, 4, 5]
    assert [sent.path.partition("since=")[2] for sent in server.sent] == [
        f"{NOW_MS + late}&order=asc" for late in (0, 2, 3, 4, 5)
    ]


def test_given_an_account_read_when_an_entry_fills_in_between_then_orders_are_read_before_positions(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/spot/active_orders", data(orders=[order_row()]))
    server.on("GET /v1/user/margin/positions", data(**margin_positions()))
    server.on("GET /v1/user/margin/status", data(**margin_status()))
    server.on("GET /v1/user/assets", data(**assets()))
    ticker = {"sell": "15000100", "buy": None, "last": "15000000", "timestamp": 1_700_000_000_000}
    server.on("GET /btc_jpy/ticker", data(**ticker))

    account = run(bitbank.account())

    targets = server.targets()
    assert targets.index("GET /v1/user/spot/active_orders") < targets.index("GET /v1/user/margin/positions")
    assert account.mark == Price(15_000_000)
    assert [order.order_id for order in account.open_orders] == [60_000_000_001]
