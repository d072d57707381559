"""The exchange's truth, with the history that explains it."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from crypto_kedro.exchange.port import Exchange, RetryLaterError
from crypto_kedro.session.contradiction import Contradictions
from crypto_kedro.session.cycle_log import CycleLog
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import FillSeen
from crypto_kedro.session.ownership import Ownership
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.ledger import TradeLedger

_MOST_READS = 4


class View(Struct, frozen=True):
    """The account as the exchange reports it, see `Ownership.shown`, and its history up to the same fill."""

    account: AccountState
    ledger: TradeLedger


class Truth:
    """Reads the account, and writes down the fills that the journal does not have.

    Args:
        exchange: the account.
        journal: of the account, in which the session has begun.
        log: of the cycle that reads.
        ownership: whose a fill is.
        contradictions: of exchange and journal, compared with each reading.
        now_ms: the session's clock, Unix milliseconds UTC.

    Attributes:
        view: as last read; None before the first answer.
        incomplete: why money or fills are those of an earlier view; None where they are not.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        log: CycleLog,
        ownership: Ownership,
        contradictions: Contradictions,
        now_ms: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._log = log
        self._ownership = ownership
        self._contradictions = contradictions
        self._now_ms = now_ms
        self.view: View | None = None
        self.incomplete: RetryLaterError | None = None

    async def read(
        self, *, fills_first: bool = False, known: AccountState | None = None, to_protect: bool = False
    ) -> View:
        """Read account and fills until no fill comes between them.

        Args:
            fills_first: write down new fills before anything else, because one has been told of.
            known: the account, if it has just been read.
            to_protect: be content with orders and positions while the account's money or its fills are unknown;
                `incomplete` then holds the error.

        Raises:
            ExchangeError: the exchange does not answer.
        """
        self.incomplete = None
        if fills_first:
            await self._try_fills(None, to_protect=to_protect)
        for _ in range(_MOST_READS):
            account, known = known or await self._account(to_protect), None
            if not await self._try_fills(account, to_protect=to_protect):
                break
        ledger = self._ledger()
        now_ms = self._now_ms()
        if account.at_ms != now_ms:
            account = replace(account, at_ms=now_ms)
        if self.incomplete is None:
            self._ownership.drop_claims(account, now_ms)
            self._contradictions.compare_positions(account, ledger)
        view = self.view = View(self._ownership.shown(account), ledger)
        return view

    async def _try_fills(self, account: AccountState | None, *, to_protect: bool) -> bool:
        try:
            return await self._note_fills(account)
        except RetryLaterError as error:
            if not to_protect:
                raise
            self.incomplete = error
            return False

    async def _account(self, to_protect: bool) -> AccountState:
        try:
            return await self._exchange.account()
        except RetryLaterError as error:
            if error.account is None or not to_protect:
                raise
            self.incomplete = error
            return error.account

    def as_of_now(self, most_ms: int) -> View | None:
        """Return what was read last as what holds now; None if that was longer ago, in milliseconds, than given."""
        view, now_ms = self.view, self._now_ms()
        if view is None or now_ms - view.account.at_ms > most_ms:
            return None
        return View(replace(view.account, at_ms=now_ms), self._ledger())

    async def _note_fills(self, account: AccountState | None) -> bool:
        """Write down fills that are seen for the first time; return whether the account has to be read again."""
        fills = await self._exchange.fills_since(self._ownership.fills_from_ms())
        self._contradictions.compare_fills(fills, self._journal)
        records = self._ownership.records_of(fills, self._ledger(), account)
        if records:
            self._log.write(*records)
            self._log.fills += [record.fill for record in records if isinstance(record, FillSeen)]
        return bool(records) or self._ownership.is_waiting

    def _ledger(self) -> TradeLedger:
        ledger = self._journal.ledger()
        assert ledger is not None  # the session has begun
        return ledger
