"""The book out of whole books and differences, in whatever order they arrive."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import NOW_MS

from crypto_kedro.exchange.bitbank.book_merge import BookMerge
from crypto_kedro.trading.money import Btc, Price


def whole(sequence: int, bids: dict[int, int], asks: dict[int, int]) -> dict[str, Any]:
    """A whole book of prices and lots."""
    return {
        "bids": [[str(price), str(Btc(bids[price]))] for price in sorted(bids, reverse=True)],
        "asks": [[str(price), str(Btc(asks[price]))] for price in sorted(asks)],
        "sequenceId": str(sequence),
        "timestamp": NOW_MS + sequence,
    }


def difference(sequence: int, bids: dict[int, int], asks: dict[int, int]) -> dict[str, Any]:
    """A difference of prices and lots."""
    changed = whole(sequence, bids, asks)
    return {"b": changed["bids"], "a": changed["asks"], "t": NOW_MS + sequence, "s": str(sequence)}


def shown(merge: BookMerge) -> tuple[dict[int, int], dict[int, int]] | None:
    """The merged book as prices and lots."""
    book = merge.book
    if book is None:
        return None
    return tuple({price.ticks: amount.lots for price, amount in side} for side in (book.bids, book.asks))  # type: ignore[return-value]


def test_given_only_differences_when_asked_then_there_is_no_book() -> None:
    merge = BookMerge()

    merge.take_difference(difference(5, {100: 1}, {}))

    assert merge.book is None


def test_given_a_whole_book_that_arrives_late_when_merged_then_only_the_younger_differences_change_it() -> None:
    merge = BookMerge()
    merge.take_difference(difference(7, {100: 9}, {}))
    merge.take_difference(difference(9, {99: 4}, {110: 0}))
    merge.take_difference(difference(12, {}, {111: 6}))

    merge.take_whole(whole(8, {100: 1, 98: 2}, {110: 3, 112: 5}))

    assert shown(merge) == ({100: 1, 99: 4, 98: 2}, {111: 6, 112: 5})
    assert merge.book is not None
    assert merge.book.sequence == 12


def test_given_a_later_whole_book_when_merged_then_levels_that_no_difference_covered_are_corrected() -> None:
    merge = BookMerge()
    merge.take_whole(whole(1, {100: 1, 50: 1}, {110: 1}))
    merge.take_difference(difference(2, {100: 2}, {}))

    merge.take_whole(whole(3, {100: 2}, {110: 1, 170: 4}))

    assert shown(merge) == ({100: 2}, {110: 1, 170: 4})


def test_given_a_difference_older_than_the_whole_book_when_it_comes_after_it_then_it_changes_nothing() -> None:
    merge = BookMerge()
    merge.take_whole(whole(10, {100: 1}, {110: 1}))

    merge.take_difference(difference(9, {100: 7}, {}))

    assert shown(merge) == ({100: 1}, {110: 1})


def test_given_a_circuit_break_when_the_book_is_crossed_then_it_is_kept_as_it_is() -> None:
    merge = BookMerge()

    merge.take_whole(whole(1, {120: 1}, {110: 1}))

    assert merge.book is not None
    assert merge.book.top is not None
    assert merge.book.top.bid_ticks > merge.book.top.ask_ticks


@pytest.mark.parametrize("room", ["whole", "difference"])
def test_given_a_sequence_that_goes_back_when_merged_then_the_book_is_unknown_until_the_next_whole_one(
    room: str,
) -> None:
    merge = BookMerge()
    merge.take_whole(whole(10, {100: 1}, {110: 1}))
    merge.take_difference(difference(11, {100: 2}, {}))

    if room == "whole":
        merge.take_whole(whole(9, {100: 5}, {110: 5}))
    else:
        merge.take_difference(difference(11, {100: 5}, {}))

    assert merge.book is None
    merge.take_whole(whole(12, {101: 3}, {}))
    assert shown(merge) == ({101: 3}, {})


def test_given_sequences_of_different_length_when_compared_then_they_count_as_numbers() -> None:
    merge = BookMerge()
    merge.take_whole(whole(99, {100: 1}, {}))

    merge.take_difference(difference(100, {100: 2}, {}))

    assert shown(merge) == ({100: 2}, {})


@given(st.integers(0, 10**6))
def test_given_any_interleaving_of_the_two_rooms_when_both_are_heard_out_then_the_book_is_the_true_one(
    seed: int,
) -> None:
    luck = random.Random(seed)
    bids: dict[int, int] = {}
    differences, wholes = [], [whole(0, {}, {})]
    for sequence in range(1, 30):
        price, lots = luck.randrange(90, 110), luck.randrange(4)
        bids = {at: amount for at, amount in (bids | {price: lots}).items() if amount}
        differences.append(difference(sequence, {price: lots}, {}))
        if luck.random() < 0.2:
            wholes.append(whole(sequence, bids, {}))
    merge = BookMerge()

    while differences or wholes:
        if differences and (not wholes or luck.random() < 0.7):
            merge.take_difference(differences.pop(0))
        else:
            merge.take_whole(wholes.pop(0))

    assert shown(merge) == (bids, {})
    assert merge.book is not None
    assert [price for price, _ in merge.book.bids] == [Price(at) for at in sorted(bids, reverse=True)]
