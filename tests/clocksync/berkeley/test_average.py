"""The fault-tolerant average: what is left out, and what liars can do at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.berkeley import fault_tolerant_average
from clocksync.berkeley.average import KEEPING_GAMMA_NS, gamma_of
from clocksync.runtime.units import SECOND
from examples import berkeley_textbook

MINUTE = 60 * SECOND


def test_the_textbook_case() -> None:
    clocks = {1: 180 * MINUTE, 2: 205 * MINUTE, 3: 170 * MINUTE}
    gamma = gamma_of(list(clocks.values()), [0], is_gathering=True)
    found = fault_tolerant_average(clocks, gamma)
    told = {number: (found.average - shown) // MINUTE for number, shown in clocks.items()}
    assert told == {1: 5, 2: -20, 3: 15}
    assert found.included == {1, 2, 3}


def test_the_textbook_case_over_a_network() -> None:
    first, *_, last = berkeley_textbook.run()
    told = {row.id: row.adjustment / MINUTE for row in first.rows}
    assert told == pytest.approx({1: 5, 2: -20, 3: 15}, abs=1e-5)
    assert not any(row.excluded for row in last.rows)
    assert sum(row.told for row in last.rows) / 3 < 1_000_000
    for row in last.rows:
        assert row.residual is not None
        assert row.bound is not None
        assert abs(row.residual) < row.bound < 1_000_000


@pytest.mark.parametrize(
    ("clocks", "gamma", "average", "included"),
    [
        ({1: 0}, 5, 0, {1}),
        ({1: 0, 2: 10}, 5, 0, {1}),
        ({1: 0, 2: 4, 3: 8}, 4, 2, {1, 2}),
        ({1: 0, 2: 1, 3: 100, 4: 101, 5: 101}, 5, 100, {3, 4, 5}),
        ({1: -(1 << 63), 2: 0, 3: 2, 4: (1 << 63) - 1}, 5, 1, {2, 3}),
    ],
)
def test_the_largest_set_is_averaged_of_equal_ones_the_narrowest_or_earliest(
    clocks: dict[int, int], gamma: int, average: int, included: set[int]
) -> None:
    found = fault_tolerant_average(clocks, gamma)
    assert (found.average, found.included) == (average, included)
    assert found.is_majority == (2 * len(included) > len(clocks))


def test_without_a_clock_there_is_no_average() -> None:
    with pytest.raises(ValueError, match="at least one"):
        fault_tolerant_average({}, 5)


def test_of_clocks_far_apart_there_is_no_majority() -> None:
    assert not fault_tolerant_average({1: 0, 2: 100, 3: 200}, 5).is_majority


@given(
    st.lists(st.integers(0, 1000), min_size=3, max_size=9),
    st.lists(st.integers(-(10**6), 10**6), min_size=0, max_size=4),
)
def test_a_minority_of_liars_moves_the_average_of_the_honest_by_less_than_gamma(
    honest: list[int], lies: list[int]
) -> None:
    gamma = max(honest) - min(honest)
    lies = lies[: (len(honest) - 1)]
    clocks = dict(enumerate([*honest, *lies]))
    found = fault_tolerant_average(clocks, gamma)
    assert found.is_majority
    included = [clocks[n] for n in found.included if n < len(honest)]
    assert included, "one of them is honest"
    mean = sum(included) / len(included)
    assert abs(found.average - mean) <= gamma * len(lies) / len(honest) + 1
    if 3 * len(lies) < len(clocks):
        assert abs(found.average - mean) <= gamma / 2 + 1


@given(
    st.lists(st.integers(-(10**12), 10**12), min_size=3, max_size=9),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=3),
    st.booleans(),
)
def test_left_to_itself_gamma_takes_in_a_majority_and_liars_cannot_widen_it(
    honest: list[int], lies: list[int], is_gathering: bool
) -> None:
    lies = lies[: (len(honest) - 1) // 2]
    everybody = [*honest, *lies]
    gamma = gamma_of(everybody, [0] * len(everybody), is_gathering)
    spread = max(honest) - min(honest)
    assert gamma <= max(10 * spread, 10 * SECOND if is_gathering else KEEPING_GAMMA_NS)
    assert fault_tolerant_average(dict(enumerate(everybody)), gamma).is_majority
