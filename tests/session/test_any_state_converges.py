"""Whatever a session, a human and bad luck have left on an account, three cycles bring it to what it should be."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from accounts_in_trouble import FATES, Trouble
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_size import many

from crypto_kedro.session.journal.halt import halt_trading
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.reconcile import closable, is_leaving
from crypto_kedro.trading.money import Btc, Price, Rate
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide

CYCLES = 3
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where journals of many stories are kept: each of their entries is synced."""


@dataclass(frozen=True)
class Deed:
    """Something that a human does on the account.

    Args:
        kind: ``open`` or ``close`` a part of a position at the market, ``rest`` an order, ``cancel`` one that rests.
        side: of the position.
        lots: how much.
        order: the kind of order that is left to rest.
        price: of an order that rests, in JPY from the market's.
        pick: which of the open orders is cancelled.
    """

    kind: str
    side: PositionSide
    lots: int
    order: OrderType
    price: int
    pick: int
    is_opening: bool
    is_whole: bool


deeds = st.builds(
    Deed,
    kind=st.sampled_from(["open", "close", "rest", "rest", "cancel", "cancel"]),
    side=st.sampled_from(PositionSide),
    lots=st.integers(1, 400),
    order=st.sampled_from([kind for kind in OrderType if kind is not OrderType.LOSSCUT]),
    price=st.integers(-40_000, 40_000),
    pick=st.integers(0, 9),
    is_opening=st.booleans(),
    is_whole=st.booleans(),
)


@dataclass(frozen=True)
class Story:
    """What happened before the cycles that have to set it right.

    Args:
        rule: what becomes of what is foreign.
        word: the side that the model wants at first; None for neither.
        limit_target: whether targets are limit orders.
        volume_share: share of a bar's volume that an order can take; None for any amount.
        fates: of the orders and cancels that are sent first of all, and again after the deeds.
        before, during: what a human does before the session's first cycles, and after them.
        protects: whether the session looks after its entry before the human's deeds.
        halt: of a human at the end: ``flatten``, ``halt`` or none.
        restarts: whether a new process finds all this.
    """

    rule: ForeignOrders
    word: PositionSide | None
    limit_target: bool
    volume_share: Rate | None
    fates: tuple[list[str], list[str]]
    before: list[Deed]
    during: list[Deed]
    protects: bool
    halt: str | None
    restarts: bool


fates = st.lists(st.sampled_from(FATES), max_size=5)
stories = st.builds(
    Story,
    rule=st.sampled_from(ForeignOrders),
    word=st.sampled_from([PositionSide.LONG, PositionSide.LONG, PositionSide.SHORT, None]),
    limit_target=st.booleans(),
    volume_share=st.sampled_from([None, None, Rate.of("0.02")]),
    fates=st.tuples(fates, fates),
    before=st.lists(deeds, max_size=2),
    during=st.lists(deeds, max_size=5),
    protects=st.booleans(),
    halt=st.sampled_from([None, None, "halt", "flatten"]),
    restarts=st.booleans(),
)


def do(trouble: Trouble, deed: Deed) -> None:
    """Let a human do something; what the exchange refuses was not done."""
    engine, side = trouble.account.engine, deed.side
    if deed.kind == "cancel":
        orders = trouble.state.open_orders
        if orders:
            engine.cancel(orders[deed.pick % len(orders)].order_id)
        return
    kind = deed.order if deed.kind == "rest" else OrderType.MARKET
    is_opening = deed.kind == "open" or (deed.kind == "rest" and deed.is_opening)
    price = Price(1_000_000 + deed.price)
    is_whole = deed.is_whole and kind in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
    request = OrderRequest(
        side=side.opening_side if is_opening else side.closing_side,
        type=kind,
        amount=None if is_whole else Btc(deed.lots),
        price=price if kind.has_price else None,
        trigger_price=price if kind.has_trigger else None,
        position_side=side,
    )
    engine.place(request)


async def happen(trouble: Trouble, story: Story) -> None:
    """Play a story up to its end."""
    for deed in story.before:
        do(trouble, deed)
    trouble.account.next_bar()
    trouble.exchange.fates = iter(story.fates[0])
    if story.word is not None:
        trouble.word(**{story.word.value: 0.9})
    assert (await trouble.cycle.run(Trigger.BAR)).error is None
    trouble.word()
    trouble.account.next_bar()
    if story.protects:
        assert (await trouble.cycle.run(Trigger.PROTECTION)).error is None
    for deed in story.during:
        do(trouble, deed)
    trouble.account.next_bar()
    trouble.exchange.fates = iter(story.fates[1])
    if story.halt is not None:
        flatten = story.halt == "flatten"
        halt_trading(trouble.journal, trouble.account.now_ms(), by="human", reason="test", flatten=flatten)
    if story.restarts:
        trouble.new_process()


def what_is_wrong(trouble: Trouble, *, flattens: bool) -> list[str]:
    """Return in which ways the session's part of the account is not as it should be."""
    business = trouble.looked_after()
    wrong = [f"{side}: {what}" for side in PositionSide for what in wrong_at(trouble, side, business, flattens)]
    if any(order.request.opens and order.request.type is not OrderType.MARKET for order in business):
        wrong.append("an order rests that would open a position")
    both = all(trouble.own_share(side) and free_of(trouble, side, business) for side in PositionSide)
    if both and not any(is_leaving(business, side) for side in PositionSide):
        wrong.append("both sides stay open")
    return wrong


def free_of(trouble: Trouble, side: PositionSide, business: list[Order]) -> Btc:
    """Return what a human's orders leave of a position to be closed by others."""
    return closable(business, trouble.state.position(side))


def wrong_at(trouble: Trouble, side: PositionSide, business: list[Order], flattens: bool) -> Iterator[str]:
    """Tell what is wrong with one side."""
    share, open_amount = trouble.own_share(side), trouble.state.position(side).amount
    orders = [o for o in business if o.request.position_side is side and o.request.closes]
    free = free_of(trouble, side, business)
    kinds = sorted(str(o.request.type) for o in orders if o.request.type is not OrderType.MARKET)
    target = OrderType.LIMIT if trouble.terms.limit_target else OrderType.TAKE_PROFIT
    if share > open_amount:
        yield f"{share} BTC are looked after, {open_amount} are open"
    elif not share:
        if orders:
            yield f"{kinds} rest for nothing"
    elif is_leaving(orders, side):
        if str(OrderType.STOP_LOSS) not in kinds:
            yield f"no stop rests for {share} BTC that are being closed"
    elif flattens and free:
        yield f"{share} BTC stay open"
    else:
        if [kind for kind in kinds if kind != str(target)] != [str(OrderType.STOP_LOSS)]:
            yield f"{kinds} rest for {share} BTC"
        wants_to_leave = flattens or bool(trouble.state.long.amount and trouble.state.short.amount)
        if not wants_to_leave and free and kinds.count(str(target)) != 1:
            yield f"{kinds} rest for {share} BTC of which {free} can be closed"
        for order in orders:
            holds = order.request.type is OrderType.LIMIT
            right = min(share, free) if holds else None if share == open_amount else share
            size = order.request.amount if order.request.amount is None else order.remaining_amount
            if size != right:
                yield f"{order.request.type} of {size} rests for {share} of {open_amount} BTC"


async def converge(trouble: Trouble, story: Story) -> None:
    await happen(trouble, story)
    for _ in range(CYCLES):
        report = await trouble.cycle.run(Trigger.BAR)
        assert report.error is None
        trouble.exchange.is_dark = False
        trouble.exchange.fates = iter(())
        trouble.account.next_bar()
    # What happened within the last bar is seen by the cycle at its end.
    assert (await trouble.cycle.run(Trigger.BAR)).error is None
    assert what_is_wrong(trouble, flattens=story.halt == "flatten") == []
    assert (await trouble.cycle.run(Trigger.PROTECTION)).sent == 0
    assert (await trouble.new_process().run(Trigger.BAR)).sent == 0
    assert trouble.journal.unanswered() == ()
    check_what_is_foreign(trouble, story)


def check_what_is_foreign(trouble: Trouble, story: Story) -> None:
    """Nothing foreign was touched where it is respected, and the money adds up."""
    own, fills = trouble.own_ids(), trouble.account.engine.fills
    if story.rule is ForeignOrders.RESPECT:
        assert set(trouble.exchange.canceled) <= own
        for side in PositionSide:
            mine = [fill for fill in fills if fill.order_id in own and fill.position_side is side]
            opened = sum(fill.amount.lots for fill in mine if fill.is_opening)
            assert sum(fill.amount.lots for fill in mine if not fill.is_opening) <= opened
    if not trouble.state.long.amount and not trouble.state.short.amount:
        assert trouble.ledger.balance == trouble.state.cash


@given(stories)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_given_any_story_when_cycles_run_then_three_set_it_right_and_the_next_sends_nothing(story: Story) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        trouble = Trouble(folder, story.rule, limit_target=story.limit_target, volume_share=story.volume_share)
        asyncio.run(converge(trouble, story))
        trouble.journal.close()


@pytest.mark.slow
@given(stories)
@settings(max_examples=many(250), deadline=None, suppress_health_check=list(HealthCheck))
def test_given_many_stories_when_cycles_run_then_three_set_each_right(story: Story) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        trouble = Trouble(folder, story.rule, limit_target=story.limit_target, volume_share=story.volume_share)
        asyncio.run(converge(trouble, story))
        trouble.journal.close()
