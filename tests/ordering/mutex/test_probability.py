"""The probability that voting lets two in, against counting every case."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig
from ordering.mutex import violation_probability


def by_counting(coordinators: int, votes: int, forgets: Fraction) -> Fraction:
    """Every way the voters can forget, and whether a second client then finds m votes."""
    total = Fraction(0)
    for forgot in product((False, True), repeat=votes):
        free = coordinators - votes + sum(forgot)
        if free >= votes:
            chance = Fraction(1)
            for one in forgot:
                chance *= forgets if one else 1 - forgets
            total += chance
    return total


@given(
    st.integers(1, 9).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(n // 2 + 1, n), st.fractions(0, 1))
    )
)
def test_it_is_what_counting_every_case_gives(case: tuple[int, int, Fraction]) -> None:
    assert violation_probability(*case) == by_counting(*case)


@given(st.integers(1, 40), st.floats(0, 1))
def test_a_float_gets_the_float_nearest_to_the_exact_value(n: int, p: float) -> None:
    m = n // 2 + 1
    assert violation_probability(n, m, p) == float(violation_probability(n, m, Fraction(p)))


@given(st.integers(1, 20), st.fractions(0, 1))
def test_more_votes_are_never_less_safe(n: int, p: Fraction) -> None:
    chances = [violation_probability(n, m, p) for m in range(n // 2 + 1, n + 1)]
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize(("n", "m", "p"), [(4, 2, 0.1), (3, 4, 0.1), (3, 2, 1.5), (3, 2, -0.1)])
def test_impossible_numbers_are_refused(n: int, m: int, p: float) -> None:
    with pytest.raises(BadConfig):
        violation_probability(n, m, p)
