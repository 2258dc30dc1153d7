"""Records through pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from ordering.links import Unpacker, cut
from ordering.links.stream import RECORD_BYTES_MAX

RECORDS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=20)


@given(RECORDS, st.integers(1, 40), st.data())
def test_records_come_out_as_they_went_in_however_pieces_arrive(
    records: list[tuple[int, bytes]], piece_bytes: int, data: st.DataObject
) -> None:
    pieces = cut(records, piece_bytes)
    assert all(0 < len(piece) <= piece_bytes for piece in pieces)
    unpacker, found = Unpacker(), []
    while pieces:
        count = data.draw(st.integers(1, len(pieces)))
        found += unpacker.feed(pieces[:count])
        del pieces[:count]
    assert found == records


def test_a_record_comes_out_with_its_last_byte_and_not_before() -> None:
    pieces = cut([(1, b"abc"), (2, b"")], piece_bytes=1)
    unpacker = Unpacker()
    found = [unpacker.feed([piece]) for piece in pieces]
    assert found[7] == [(1, b"abc")]
    assert found[12] == [(2, b"")]
    assert sum(map(len, found)) == 2


def test_a_record_that_never_ends_is_refused_at_its_beginning() -> None:
    with pytest.raises(MalformedFrame, match="over its maximum"):
        Unpacker().feed([b"\x01" + (RECORD_BYTES_MAX + 1).to_bytes(4, "big")])


def test_a_record_too_long_to_be_read_is_not_written() -> None:
    with pytest.raises(ValueError, match="at most"):
        cut([(1, bytes(RECORD_BYTES_MAX + 1))])
