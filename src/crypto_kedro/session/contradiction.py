"""What the exchange reports against what the journal holds, where both cannot be right."""

from collections.abc import Iterable

from crypto_kedro.exchange.port import Exchange, RefusedError
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Answered, Outcome
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.orders import Fill, Order, PositionSide, RefusalCode

EXCHANGE_CONTRADICTS = "exchange_contradicts"
_LAG_MS = 10_000
"""How long a fill may be missing from the history while the position has changed already."""
_KNOWN_FOR_MS = 30 * DAY_MS
"""Age up to which bitbank surely returns an order; it keeps them for three months."""
_REMEDY = "nothing is opened until both agree; compare with the exchange's own history"


class Contradictions:
    """Compares account, fills and orders of the exchange with the journal.

    Attributes:
        is_suspected: whether something does not agree that may still be a delay.
    """

    def __init__(self) -> None:
        self._missing_since_ms: dict[PositionSide, int] = {}
        self._missing: str | None = None
        self._lost: str | None = None
        self.is_suspected = False

    @property
    def found(self) -> str | None:
        """One sentence about what cannot be right, None while everything agrees."""
        return self._lost or self._missing

    def compare_positions(self, account: AccountState, ledger: TradeLedger) -> None:
        """Look for positions of the journal's fills that the account does not have, and that no fill closed.

        Args:
            account: as reported.
            ledger: the history up to the same fill.
        """
        self._missing, self.is_suspected = None, False
        for side in PositionSide:
            trade, held = ledger.open_trade(side), account.position(side).amount
            if trade is None or held >= trade.amount:
                self._missing_since_ms.pop(side, None)
                continue
            self.is_suspected = True
            if account.at_ms - self._missing_since_ms.setdefault(side, account.at_ms) >= _LAG_MS:
                self._missing = (
                    f"The journal has a {side} position of {trade.amount} BTC, the exchange reports {held} BTC and no "
                    f"fill that closed the rest; {_REMEDY}"
                )

    def compare_fills(self, fills: Iterable[Fill], journal: Journal) -> None:
        """Look for fills whose number the journal has given to another one."""
        for fill in fills:
            known_ms = journal.fill_ms(fill.trade_id)
            if known_ms is not None and known_ms != fill.executed_at_ms:
                self._lost = (
                    f"Trade {fill.trade_id} of the exchange is another than in the journal, so the exchange has lost "
                    f"its state or the account is another; {_REMEDY}"
                )

    async def compare_last_order(self, exchange: Exchange, journal: Journal, now_ms: int) -> None:
        """Ask for the journal's last order, which an exchange with this history must know.

        Raises:
            ExchangeError: the exchange does not answer.
        """
        last = _last_order(journal)
        if last is None or now_ms - last.ordered_at_ms > _KNOWN_FOR_MS:
            return
        try:
            found = await exchange.order(last.order_id)
        except RefusedError as error:
            if error.code != RefusalCode.ORDER_NOT_FOUND:
                return
            found = None
        if found is None or (found.request.side, found.request.type) != (last.request.side, last.request.type):
            self._lost = (
                f"The exchange does not know order {last.order_id} of the journal, so it has lost its state or the "
                f"account is another; {_REMEDY}"
            )


def _last_order(journal: Journal) -> Order | None:
    last = None
    for entry in journal.entries(Answered):
        if entry.record.outcome is Outcome.PLACED and entry.record.order is not None:
            last = entry.record.order
    return last
