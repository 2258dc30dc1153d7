"""What follows a header: fields or a MAC (RFC 7822 section 7.5), by length alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.trailer import CRYPTO_NAK, encode_field, parse, parse_fields
from clocksync.runtime.errors import MalformedFrame

FIELD = encode_field(0x0104, bytes(range(32)))


@pytest.mark.parametrize("size", [4, 8, 16, 20, 24])
def test_what_is_at_most_24_bytes_is_a_mac(size: int) -> None:
    for fields in (b"", FIELD, FIELD + FIELD):
        trailer = parse(fields + b"\x01" * size, 4)
        assert trailer.mac == b"\x01" * size
        assert len(trailer.fields) == len(fields) // 36


def test_what_is_longer_is_a_field() -> None:
    trailer = parse(FIELD, 4)
    assert trailer.fields == ((0x0104, bytes(range(32)), 0),)
    assert trailer.mac == b""
    assert parse(FIELD + FIELD, 4).fields[1].start == 36


def test_older_versions_have_no_fields() -> None:
    assert parse(FIELD, 3) == ((), FIELD)


@pytest.mark.parametrize(
    "data",
    [
        bytes(3),
        bytes(26),
        bytes(28),  # a field of no length
        bytes.fromhex("0104000c") + bytes(32),  # shorter than the shortest
        bytes.fromhex("01040040") + bytes(32),  # longer than what there is
        bytes.fromhex("0104001e") + bytes(32),  # not of whole words
    ],
)
def test_an_impossible_length_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        parse(data, 4)


def test_a_field_of_a_kind_counts_if_it_is_the_only_one() -> None:
    assert parse(FIELD, 4).only(0x0104) == bytes(range(32))
    assert parse(FIELD + FIELD, 4).only(0x0104) is None
    assert parse(FIELD, 4).only(0x0204) is None


def test_a_crypto_nak_is_four_zeros() -> None:
    assert parse(CRYPTO_NAK, 4).mac == bytes(4)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=60)), max_size=5))
def test_fields_come_back_padded(parts: list[tuple[int, bytes]]) -> None:
    data = b"".join(encode_field(kind, value) for kind, value in parts)
    found = parse_fields(data)
    assert [field.kind for field in found] == [kind for kind, _ in parts]
    for field, (_, value) in zip(found, parts, strict=True):
        assert field.value.startswith(value)
        assert not any(field.value[len(value) :])
        assert len(field.value) % 4 == 0 <= len(field.value) - 12
