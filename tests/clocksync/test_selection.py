"""Marzullo's intersection against an oracle that tries every subset of the servers."""

from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clocksync.ntp.selection import Selection, select
from clocksync.runtime.interval import Interval


def interval(ends: tuple[int, int]) -> Interval:
    return Interval(min(ends), max(ends))


points = st.integers(0, 30)
claims_lists = st.lists(st.tuples(points, points).map(interval), min_size=1, max_size=7)
I = Interval  # noqa: E741  many of them below


def shared_by(claims: list[Interval], size: int) -> Interval | None:
    """The hull of what any `size` of the claims have in common."""
    common: list[Interval] = []
    for group in combinations(claims, size):
        first = max(claim.earliest for claim in group)
        last = min(claim.latest for claim in group)
        if first <= last:
            common.append(Interval(first, last))
    return Interval.hull(common) if common else None


@given(claims_lists)
def test_what_is_agreed_on_is_what_the_largest_groups_share(claims: list[Interval]) -> None:
    chosen, majority = select(claims), len(claims) // 2 + 1
    sizes = [size for size in range(len(claims), majority - 1, -1) if shared_by(claims, size)]
    if not sizes:
        assert chosen == Selection(None)
        return
    agreed = shared_by(claims, sizes[0])
    assert agreed is not None
    whole = [claim for claim in claims if claim.contains(agreed)]
    if len(whole) < majority:
        assert chosen == Selection(None)
        return
    assert chosen.agreed == agreed
    assert chosen.combined == shared_by(claims, majority)
    meets = [i for i, claim in enumerate(claims) if claim & agreed is not None]
    assert list(chosen.truechimers) == meets
    assert sorted((*chosen.truechimers, *chosen.falsetickers)) == list(range(len(claims)))
    apart = {i for i in meets for j in meets if not (claims[i].earliest <= claims[j].latest)} | {
        i for i in meets for j in meets if not (claims[j].earliest <= claims[i].latest)
    }
    assert set(chosen.contradicted) == apart


@given(claims_lists, points)
@example([I(0, 10), I(0, 10), I(0, 1), I(8, 9), I(8, 9)], 0)  # four of five agree, and are wrong
def test_while_liars_are_below_half_the_truth_is_in_the_combined_interval(
    claims: list[Interval], truth: int
) -> None:
    chosen = select(claims)
    if 2 * sum(truth in claim for claim in claims) > len(claims) and chosen.combined is not None:
        assert truth in chosen.combined


@given(claims_lists)
def test_a_side_is_taken_only_with_more_than_half(claims: list[Interval]) -> None:
    chosen = select(claims)
    if chosen.combined is None:
        assert not chosen.truechimers
        assert not chosen.falsetickers
    else:
        assert 2 * len(chosen.truechimers) > len(claims)
        assert chosen.agreed is not None
        assert chosen.combined.contains(chosen.agreed)


@given(claims_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_servers_does_not_matter(claims: list[Interval], random) -> None:
    order = list(range(len(claims)))
    random.shuffle(order)
    one, other = select(claims), select([claims[i] for i in order])
    assert other.combined == one.combined
    assert {order[i] for i in other.falsetickers} == set(one.falsetickers)


@given(claims_lists)
def test_time_read_backwards_gives_the_mirror_image(claims: list[Interval]) -> None:
    one, other = select(claims), select([-claim for claim in claims])
    assert other.combined == (None if one.combined is None else -one.combined)
    assert other.falsetickers == one.falsetickers


@pytest.mark.parametrize(
    ("claims", "agreed", "combined", "falsetickers"),
    [
        ([], None, None, ()),
        ([I(1, 2)], I(1, 2), I(1, 2), ()),
        ([I(1, 2), I(2, 3)], I(2, 2), I(2, 2), ()),  # closed: they touch
        ([I(1, 2), I(3, 4)], None, None, ()),
        ([I(8, 12), I(11, 13), I(14, 15)], I(11, 12), I(11, 12), (2,)),
        ([I(8, 12), I(11, 13), I(10, 12)], I(11, 12), I(10, 12), ()),
        ([I(8, 9), I(8, 12), I(10, 12)], None, None, ()),  # two pairs, and each is as good
        ([I(0, 1)] * 2 + [I(5, 6)] * 2, None, None, ()),  # half is no majority
        ([I(0, 1)] * 3 + [I(5, 6)] * 2, I(0, 1), I(0, 1), (3, 4)),
        ([I(0, 9), I(0, 9), I(0, 9), I(1, 2), I(5, 6)], I(1, 6), I(0, 9), ()),
    ],
)
def test_known_cases(claims, agreed, combined, falsetickers) -> None:
    chosen = select(claims)
    assert (chosen.agreed, chosen.combined, chosen.falsetickers) == (
        agreed,
        combined,
        falsetickers,
    )


def test_ten_thousand_servers_that_all_disagree_are_judged_in_one_sweep() -> None:
    assert select([I(2 * i, 2 * i + 1) for i in range(10_000)]) == Selection(None)


def test_truechimers_that_exclude_each_other_are_marked() -> None:
    chosen = select([I(0, 9), I(0, 9), I(0, 9), I(1, 2), I(5, 6)])
    assert chosen.truechimers == (0, 1, 2, 3, 4)
    assert chosen.contradicted == (3, 4)
