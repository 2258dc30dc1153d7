"""Which of two stamped events came first."""

import pytest

from ordering.interval_order import PhysicalOrder
from vsync import Configuration, Kind, Timestamp, compare
from vsync.identity import RingId, Service
from vsync.node.message import Message
from vsync.states import Cause

BEFORE, AFTER, UNKNOWN = (
    PhysicalOrder.BEFORE,
    PhysicalOrder.AFTER,
    PhysicalOrder.POSSIBLY_CONCURRENT,
)


def message(timestamp, error=100, ring="5.1.a"):
    return Message(b"", 1, Service.AGREED, timestamp, error, (), f"R{ring}", f"{ring}/7.0")


RING = RingId(5, 1, 10)
CHANGE = Configuration(
    "R5.1.a", Kind.REGULAR, RING, (1,), (), (), Cause.BOOTED, timestamp=1_000, error=500
)


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        (message(1_000), message(1_001), BEFORE),  # of one ring
        (message(1_000), message(1_001, ring="6.1.b"), UNKNOWN),
        (message(1_000), message(1_201, ring="6.1.b"), BEFORE),
        (message(1_201, ring="6.1.b"), message(1_000), AFTER),
        (message(1_000), message(1_200, ring="6.1.b"), UNKNOWN),
        (CHANGE, message(1_001), BEFORE),
        (CHANGE, message(1_001, ring="6.1.b"), UNKNOWN),
        (Timestamp(1_000, 0, 9, "5.1.a"), Timestamp(1_000, 1, 9, "5.1.a"), BEFORE),
        (Timestamp(1_000, 1, 9, "5.1.a"), Timestamp(1_000, 0, 9, "5.1.a"), AFTER),
        (Timestamp(1_000, 7, 9, "5.1.a"), message(1_001), BEFORE),
        (message(1_000), message(1_000), UNKNOWN),
    ],
)
def test_one_ring_has_one_order_and_between_rings_bounds_decide(first, second, order):
    assert compare(first, second) is order


def test_readings_grow_as_tuples_do():
    one = [Timestamp(1, 0, 9, "r"), Timestamp(1, 1, 9, "r"), Timestamp(2, 0, 5, "r")]
    assert sorted(one) == one
    assert str(one[1]) == "1.1"
