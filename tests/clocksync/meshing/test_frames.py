"""The frames of a mesh: they fit, they come back as they went, rubbish is refused."""

import pytest

from clocksync.meshing import frames
from clocksync.meshing.frames import ORDER_BYTES, Batch, Order, Row, Status
from clocksync.runtime.errors import MalformedFrame

MTU_BYTES = 1280 - 48  # of IPv6, less its header and UDP's
SEAL_BYTES = 39


def test_numbers_and_addresses_come_back_as_they_went():
    listed = [(1, ("10.0.0.1", 3190)), (65_534, ("fd77::1", 1)), (7, ("::1", 65_535))]
    assert frames.unpack_neighbours(frames.pack_neighbours(listed)) == listed


def test_samples_come_back_as_they_went():
    rows = [Row(0, 2**62, -5, -(2**63), True), Row(1, 2, 3, 4, False)]
    assert frames.unpack_rows(frames.pack_rows(rows)) == rows


@pytest.mark.parametrize("unpack", [frames.unpack_neighbours, frames.unpack_rows])
def test_half_an_entry_is_refused(unpack):
    with pytest.raises(MalformedFrame, match="part of"):
        unpack(b"x" * 19)


def test_every_answer_fits_an_order_and_every_order_fits_a_datagram():
    longest = [
        Batch(1, 1, 1, 1, frames.pack_rows([Row(1, 2, 3, 4, True)] * frames.ROWS_MAX)),
        Status(1, 1, 1, tuple(range(frames.NEIGHBOURS_MAX))),
    ]
    crowd = frames.pack_neighbours([(n, ("10.0.0.1", 1)) for n in range(frames.NEIGHBOURS_MAX)])
    orders = [frames.padded(Order(1, 0, 0, 0, 0, 0, listed, b"")) for listed in (b"", crowd)]
    assert {len(order.encode()) for order in orders} == {ORDER_BYTES}
    assert max(len(answer.encode()) for answer in longest) <= ORDER_BYTES
    assert ORDER_BYTES + SEAL_BYTES <= MTU_BYTES
