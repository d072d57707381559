"""``kedro accounts``: the books of a journal or of the bitbank account."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crypto_kedro.accounting.books import Books, make_books, write_books
from crypto_kedro.accounting.calendar import JST, year_start_ms
from crypto_kedro.accounting.cost_basis import Holding, Method
from crypto_kedro.accounting.elsewhere import read_coin_trades, satoshi_of
from crypto_kedro.accounting.trades import AccountingError
from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.folder import chosen_journal
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill

if TYPE_CHECKING:
    from crypto_kedro.exchange.bitbank import BitbankSettings, Credentials

_WORTH_A_LOOK = Jpy.of(1)
_PAPER = "paper"
_METHODS = [method.value for method in Method]


@dataclass(frozen=True, slots=True)
class History:
    """Fills, and the environments whose money they moved, such as ``paper``; empty when nobody said."""

    fills: tuple[Fill, ...]
    environments: frozenset[str]


def journal_history(path: Path, session_id: str | None = None) -> History:
    """Read the fills of a journal.

    Args:
        path: of the journal; a session may be writing it meanwhile.
        session_id: of the only session to read; None reads all.

    Raises:
        JournalError: the journal cannot be read, or was altered.
    """
    from crypto_kedro.session.journal import Journal
    from crypto_kedro.session.journal.records import FillSeen, SessionStarted

    with Journal.open_as_evidence(path) as journal:
        return History(
            tuple(entry.record.fill for entry in journal.entries(FillSeen, session_id=session_id)),
            frozenset(entry.record.environment for entry in journal.entries(SessionStarted, session_id=session_id)),
        )


async def bitbank_history(
    settings: "BitbankSettings", credentials: "Credentials", since_ms: int, now_ms: Callable[[], int] | None = None
) -> History:
    """Read the account's fills at bitbank.

    Args:
        settings: addresses.
        credentials: API key that may read.
        since_ms: from this moment on, Unix milliseconds UTC.
        now_ms: clock to sign with, Unix milliseconds UTC; the machine's by default.

    Raises:
        ExchangeError: bitbank is out of reach or does not accept the key.
    """
    from crypto_kedro.exchange.bitbank import BitbankExchange
    from crypto_kedro.exchange.bitbank.market_data import wall_clock_ms

    async with BitbankExchange(settings, credentials, now_ms=now_ms or wall_clock_ms) as exchange:
        return History(await exchange.fills_since(since_ms), frozenset())


@click.command(name="accounts")
@click.option("--env", "-e", default=None, help="Environment or folder, such as paper or simulator, whose journal to "
              "read; default: the only one there is. With --bitbank: environment whose API key to use.")  # fmt: skip
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="Another journal.")
@click.option("--session", "session_id", help="Only this session of the journal.")
@click.option("--bitbank", is_flag=True, help="Ask bitbank itself, with the API key; orders are not touched.")
@click.option("--year", type=click.IntRange(2009, 9999), help="Only this calendar year in Japan; default: all.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="With --bitbank: day in Japan to read from.")
@click.option("--method", type=click.Choice(_METHODS), help="Only this cost method; default: both.")
@click.option("--opening-btc", default="0", help="BTC held before the first trade that is read.")
@click.option("--opening-cost", default="0", help="What they had cost, JPY in all.")
@click.option("--elsewhere", type=click.Path(dir_okay=False, path_type=Path), help="CSV of BTC traded elsewhere.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="data/08_reporting/accounts",
              show_default=True, help="Folder to write to.")  # fmt: skip
@click.pass_context
def accounts(
    context: click.Context,
    env: str | None,
    journal: Path | None,
    session_id: str | None,
    bitbank: bool,
    year: int | None,
    since: datetime | None,
    method: str | None,
    opening_btc: str,
    opening_cost: str,
    elsewhere: Path | None,
    out: Path,
) -> None:
    """Write the books: fills, days, months, and the yearly table of a Japanese tax return, as CSV.

    Examples:
      kedro accounts

      kedro accounts --env live

      kedro accounts --bitbank --year 2026 --method total-average

    """
    if journal is not None and bitbank:
        raise click.UsageError("accounts: give --journal or --bitbank, not both")
    try:
        if bitbank:
            since_ms = _since_ms(since, year)
            history = _ask_bitbank(context.obj.project_path, env, since_ms)
        else:
            history = journal_history(journal or chosen_journal(context.obj.project_path, env), session_id)
        books = make_books(
            history.fills,
            tuple(Method) if method is None else (Method(method),),
            Holding(satoshi_of(opening_btc, "--opening-btc"), _cost_of(opening_cost)),
            () if elsewhere is None else read_coin_trades(elsewhere),
        )
        files = write_books(books, out, year)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    for line in _summary(books, history, year):
        click.echo(line)
    for file in files:
        click.echo(f"  {file}")


def _ask_bitbank(project_path: Path, env: str | None, since_ms: int) -> History:
    from crypto_kedro.credentials import CredentialStore
    from crypto_kedro.exchange.bitbank import BitbankSettings
    from crypto_kedro.project import project_context

    with project_context(project_path, env) as context:
        credentials = CredentialStore.read(context.config_loader).bitbank()
    if credentials is None:
        raise AccountingError("accounts: --bitbank needs an API key that may read; set BITBANK_API_KEY and its secret")
    return asyncio.run(bitbank_history(BitbankSettings(), credentials, since_ms))


def _since_ms(since: datetime | None, year: int | None) -> int:
    """Return where the reading of bitbank begins, a day in Japan as Unix milliseconds UTC."""
    if since is not None:
        return int(since.replace(tzinfo=JST).timestamp() * 1000)
    if year is None:
        raise AccountingError("accounts: --bitbank needs --year or --since to know where to begin")
    return year_start_ms(year)


def _cost_of(text: str) -> Jpy:
    try:
        return Jpy.of(text)
    except CryptoKedroError as error:
        raise AccountingError(f"accounts: --opening-cost: {error}") from error


def _summary(books: Books, history: History, year: int | None) -> list[str]:
    lines = []
    if _PAPER in history.environments:
        lines.append("PAPER money: these books are practice, not for a tax return.")
    for table in books.tables:
        if year in (None, table.coins.year):
            yen = table.in_yen
            lines.append(
                f"{table.coins.year} {table.coins.method}: income {yen.income:,} JPY "
                f"(revenue {yen.revenue:,}, expenses {yen.expenses:,}, {table.closings} margin closings)"
            )
    check = books.check
    if check.largest > _WORTH_A_LOOK:
        lines.append(
            f"Look at trade {check.trade_id}: its result is {check.largest} JPY away from what the prices of the "
            "fills give; ask bitbank before you file."
        )
    elif check.checked:
        lines.append(f"All {check.checked} margin results follow from the prices of the fills.")
    if check.unchecked:
        lines.append(f"{check.unchecked} results belong to positions opened before the history; read from earlier on.")
    return lines
