"""Answers that cannot be read or cannot be true, one by one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW_MS
from rows import margin_positions, margin_status, order_row, position_row, trade_row
from wire_server import WireServer, data, error

from crypto_kedro.exchange.bitbank import BitbankExchange
from crypto_kedro.exchange.port import RetryLaterError, UnusablePrivateAnswerError, UnusablePublicAnswerError
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.trading.money import Price

Run = Callable[..., Any]
TICKER = {"sell": "15000100", "buy": "15000000", "last": "15000000", "timestamp": NOW_MS}
CIRCUIT = "GET /btc_jpy/circuit_break_info"
DAY = "GET /btc_jpy/candlestick/1min/20231114"
OPEN_MS = NOW_MS - NOW_MS % MINUTE_MS - MINUTE_MS


def text_of(**changes: Any) -> str:
    return json.dumps({"success": 1, "data": TICKER | changes})


@pytest.mark.parametrize(
    "body",
    [
        text_of(last="0"),
        text_of(last="-15000000"),
        text_of(last=None),
        text_of(last=True),
        text_of(last=[]),
        text_of(last="15,000,000"),
        text_of(last="1_5000000"),
        text_of(last="\uff11\uff15\uff10\uff10"),
        text_of(last="1e400"),
        text_of(last="1.5e-3"),
        text_of(last=float("nan")),
        text_of(last=float("inf")),
        text_of(last="9" * 5_000),
        text_of(last="here").replace('"here"', "9" * 5_000),
        text_of(last="here").replace('"here"', "[" * 100_000),
        text_of(last="here").replace('"here"', "1e999999999"),
        text_of(buy="1"),
        text_of(timestamp="soon"),
        text_of(timestamp=NOW_MS // 1_000),
        text_of(timestamp=NOW_MS + DAY_MS),
        text_of(timestamp=float(NOW_MS)),
        text_of().replace('"success": 1', '"success": true'),
        text_of().replace('"success": 1', '"success": "1"'),
        "<html>502</html>",
        text_of()[:-9],
        "null",
        "",
    ],
    ids=lambda body: body[-60:][:40],
)
def test_given_a_ticker_that_cannot_be_true_when_read_then_it_is_unusable_and_the_next_one_is_read(
    bitbank: BitbankExchange, server: WireServer, run: Run, body: str
) -> None:
    server.on("GET /btc_jpy/ticker", (200, body), (200, text_of()))

    with pytest.raises(UnusablePublicAnswerError) as caught:
        run(bitbank.ticker())

    assert len(str(caught.value)) < 500
    assert run(bitbank.ticker()).last == Price(15_000_000)


@pytest.mark.parametrize("mode", ["NONE", "ITAYOSE"])
def test_given_a_crossed_ticker_when_read_then_only_a_circuit_break_explains_it(
    bitbank: BitbankExchange, server: WireServer, run: Run, mode: str
) -> None:
    server.on("GET /btc_jpy/ticker", (200, text_of(buy="15000200")))
    server.on(CIRCUIT, data(mode=mode))

    if mode == "NONE":
        with pytest.raises(UnusablePublicAnswerError, match="above the best ask"):
            run(bitbank.ticker())
    else:
        assert run(bitbank.ticker()).bid == Price(15_000_200)


def candles(*rows: list[Any]) -> Any:
    return data(candlestick=[{"type": "1min", "ohlcv": list(rows)}])


def candle(opened: int, high: int, low: int, close: int, at_ms: int = OPEN_MS, volume: str = "1.0") -> list[Any]:
    return [str(opened), str(high), str(low), str(close), volume, at_ms]


@pytest.mark.parametrize(
    "rows",
    [
        [candle(100, 110, 90, 120)],
        [candle(100, 110, 105, 108)],
        [candle(0, 110, 0, 108)],
        [candle(100, 110, 90, 100, volume="-1")],
        [candle(100, 110, 90, 100, OPEN_MS + 1)],
        [candle(100, 110, 90, 100, OPEN_MS - DAY_MS)],
        [candle(100, 110, 90, 100, OPEN_MS + 10 * MINUTE_MS)],
        [candle(100, 110, 90, 100), candle(100, 110, 90, 100)],
        [candle(100, 110, 90, 100), candle(100, 110, 90, 100, OPEN_MS - MINUTE_MS)],
        [candle(100, 110, 90, 100, OPEN_MS - MINUTE_MS), candle(1_000, 1_100, 900, 1_000)],
        [[1, 2, 3]],
    ],
)
def test_given_candles_that_cannot_be_true_when_read_then_they_are_unusable(
    bitbank: BitbankExchange, server: WireServer, run: Run, rows: list[list[Any]]
) -> None:
    server.on(DAY, candles(*rows), candles(candle(100, 110, 90, 100)))

    with pytest.raises(UnusablePublicAnswerError):
        run(bitbank.candles(MINUTE_MS, OPEN_MS - MINUTE_MS, NOW_MS))

    assert len(run(bitbank.candles(MINUTE_MS, OPEN_MS - MINUTE_MS, NOW_MS))) == 1


@pytest.mark.parametrize(
    "rows",
    [
        [order_row(pair="eth_jpy")],
        [order_row(), order_row()],
        [order_row(executed_amount="0.0200", average_price="15000000")],
        [order_row(executed_amount="0.0050", average_price="0")],
        [order_row(price=None)],
        [order_row(type="stop_loss", price=None, status="INACTIVE")],
        [order_row(ordered_at=NOW_MS + DAY_MS)],
        [order_row(post_only="yes")],
        [None],
    ],
)
def test_given_orders_that_cannot_be_true_when_read_then_they_are_unusable(
    bitbank: BitbankExchange, server: WireServer, run: Run, rows: list[Any]
) -> None:
    server.on("GET /v1/user/spot/active_orders", data(orders=rows))

    with pytest.raises(UnusablePrivateAnswerError):
        run(bitbank.open_orders())


def test_given_an_order_that_is_not_listed_any_more_when_it_is_still_open_then_the_list_is_unusable(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on("GET /v1/user/spot/active_orders", data(orders=[order_row()]), data(orders=[]))
    server.on(
        "POST /v1/user/spot/orders_info",
        data(orders=[order_row()]),
        data(orders=[order_row(status="CANCELED_UNFILLED")]),
    )
    run(bitbank.open_orders())

    with pytest.raises(UnusablePrivateAnswerError, match="are open and not listed"):
        run(bitbank.open_orders())

    assert run(bitbank.open_orders()) == ()
    assert run(bitbank.open_orders()) == ()
    assert server.targets().count("POST /v1/user/spot/orders_info") == 2


@pytest.mark.parametrize("change", [{"amount": "0"}, {"price": "0"}, {"executed_at": NOW_MS * 1_000}, {"pair": "x"}])
def test_given_a_fill_that_cannot_be_true_when_read_then_it_is_unusable(
    bitbank: BitbankExchange, server: WireServer, run: Run, change: dict[str, Any]
) -> None:
    server.on("GET /v1/user/spot/trade_history", data(trades=[trade_row(**change)]))

    with pytest.raises(UnusablePrivateAnswerError):
        run(bitbank.fills_since(0))


def test_given_an_empty_list_of_positions_when_the_margin_account_holds_one_then_it_is_read_again(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    held = margin_positions(positions=[position_row("long", "0.0100", "15000000", "150000.0000")])
    assets = [{"asset": name, "onhand_amount": "1", "locked_amount": "0"} for name in ("jpy", "btc")]
    server.on("GET /v1/user/spot/active_orders", data(orders=[]))
    server.on("GET /v1/user/assets", data(assets=assets))
    server.on("GET /v1/user/margin/status", data(**margin_status(open_margin_position_product="150000.0000")))
    server.on("GET /btc_jpy/ticker", (200, text_of()))
    positions = "GET /v1/user/margin/positions"

    server.on(positions, data(**margin_positions(positions=[])), data(**held))
    assert run(bitbank.account()).long.amount.lots == 100

    server.on(positions, data(**margin_positions(positions=[])))
    with pytest.raises(UnusablePrivateAnswerError, match="they are empty"):
        run(bitbank.account())


def test_given_a_pause_that_the_exchange_asks_for_when_it_refuses_then_the_error_holds_it(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.headers = {"Retry-After": "17"}
    server.on("GET /btc_jpy/ticker", error(10009, 429), (503, "busy"))

    for _ in range(2):
        with pytest.raises(RetryLaterError) as caught:
            run(bitbank.ticker())
        assert caught.value.retry_after_s == 17.0


def test_given_a_redirection_when_signed_then_it_is_not_followed(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.headers = {"Location": f"{server.url}/elsewhere"}
    server.on("GET /v1/user/assets", (302, ""))

    with pytest.raises(RetryLaterError, match="HTTP 302"):
        run(bitbank.balances())

    assert server.targets() == ["GET /v1/user/assets"]
