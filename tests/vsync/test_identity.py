"""Names of rings, configurations and messages: readable, and no two alike."""

from hypothesis import given
from hypothesis import strategies as st

from vsync.identity import NO_RING, RingId, message_name, regular_id, transitional_id

RINGS = st.builds(RingId, st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))


def test_names_are_these():
    ring = RingId(12, 3, 0xBEEF)
    assert str(ring) == "12.3.beef"
    assert f"{ring}" == "12.3.beef"
    assert regular_id(ring) == "R12.3.beef"
    assert transitional_id(ring, (7, 5, 9)) == "T12.3.beef.5"
    assert message_name(ring, 8, None) == "12.3.beef/8"
    assert message_name(ring, 8, 0) == "12.3.beef/8.0"
    assert str(NO_RING) == "0.0.0"


@given(
    RINGS,
    RINGS,
    st.integers(1, 30),
    st.integers(1, 30),
    *[st.one_of(st.none(), st.integers(0, 9))] * 2,
)
def test_different_things_have_different_names(one, other, first, second, index, another):
    names = {
        regular_id(one),
        regular_id(other),
        transitional_id(one, (first,)),
        transitional_id(other, (second,)),
        message_name(one, first, index),
        message_name(other, second, another),
    }
    same_ring = one == other
    same_transitional = same_ring and first == second
    same_message = same_ring and first == second and index == another
    assert len(names) == 6 - same_ring - same_transitional - same_message


@given(RINGS, RINGS)
def test_a_later_ring_is_greater(one, other):
    if one.sequence != other.sequence:
        assert (one < other) == (one.sequence < other.sequence)


def test_two_rings_of_one_number_are_two_rings():
    assert RingId(5, 1, 7) != RingId(5, 1, 8)
    assert len({RingId(5, 1, 7), RingId(5, 1, 8), RingId(5, 1, 7)}) == 2
