"""NTS-KE's records and what they agree on, against messages by hand (RFC 8915 section 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.nts.cookies import ClientKeys
from clocksync.nts.negotiation import (
    Refused,
    answer,
    export_context,
    judge_answer,
    refusal,
    request,
)
from clocksync.nts.records import MESSAGE_BYTES_MAX, Reader, Record, Type, encode, numbered
from clocksync.runtime.errors import MalformedFrame

REQUEST = bytes.fromhex("8001 0002 0000  8004 0002 000f  8000 0000")
PROTOCOL, AEAD = numbered(Type.NEXT_PROTOCOL, 0), numbered(Type.AEAD, 15)
COOKIE = Record(Type.COOKIE, b"a cookie")


def read(message: bytes) -> tuple[Record, ...]:
    records = Reader().feed(message)
    assert records is not None
    return records


def serve(*records: Record, port: int = 123) -> tuple[Record, ...]:
    said = answer(records, lambda direction: bytes([direction] * 32), cookie_of, port)
    return read(said)


def cookie_of(keys: ClientKeys) -> bytes:
    assert (keys.to_server, keys.to_client) == (bytes(32), b"\1" * 32)
    return b"c" * 100


def test_the_request_is_what_the_rfc_says() -> None:
    assert request() == REQUEST
    assert read(REQUEST) == (PROTOCOL, AEAD)


def test_the_exporters_context_is_what_the_rfc_says() -> None:
    assert export_context(0) == bytes.fromhex("0000 000f 00")
    assert export_context(1) == bytes.fromhex("0000 000f 01")


@given(st.lists(st.integers(1, 40), max_size=20))
def test_a_message_may_come_in_any_pieces(sizes: list[int]) -> None:
    message = encode((PROTOCOL, AEAD, *[COOKIE] * 8))
    reader, at = Reader(), 0
    for size in sizes:
        if at + size >= len(message):
            break
        assert reader.feed(message[at : at + size]) is None
        at += size
    assert reader.feed(message[at:]) == (PROTOCOL, AEAD, *[COOKIE] * 8)


def test_a_message_without_end_is_not_kept() -> None:
    reader, piece = Reader(), numbered(Type.AEAD, *range(500)).encode()
    for _ in range(MESSAGE_BYTES_MAX // len(piece)):
        assert reader.feed(piece) is None
    with pytest.raises(MalformedFrame, match="too long"):
        reader.feed(piece)
    with pytest.raises(MalformedFrame, match="too long"):
        Reader().feed(bytes(MESSAGE_BYTES_MAX + 1))
    with pytest.raises(MalformedFrame, match="not empty"):
        Reader().feed(bytes.fromhex("8000000100"))


def test_a_server_grants_keys_and_eight_cookies() -> None:
    records = serve(PROTOCOL, AEAD)
    assert records == (PROTOCOL, AEAD, *[Record(Type.COOKIE, b"c" * 100)] * 8)
    agreed = judge_answer(records)
    assert (len(agreed.cookies), agreed.server, agreed.port) == (8, None, 123)
    assert judge_answer(serve(PROTOCOL, AEAD, port=1123)).port == 1123


def test_a_server_chooses_what_it_has_among_what_is_offered() -> None:
    wish = (numbered(Type.NEXT_PROTOCOL, 7, 0), numbered(Type.AEAD, 30, 15, 17, critical=False))
    assert serve(*wish)[:2] == (PROTOCOL, AEAD)
    # A client may wish for a server and a port, and send what nobody knows.
    others = (Record(Type.SERVER, b"ntp.test"), numbered(Type.PORT, 5), Record(0x4000, b"x"))
    assert serve(PROTOCOL, *others, AEAD)[:2] == (PROTOCOL, AEAD)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((), refusal(1)),
        ((AEAD,), refusal(1)),
        ((PROTOCOL,), refusal(1)),
        ((PROTOCOL, PROTOCOL, AEAD), refusal(1)),
        ((PROTOCOL, AEAD, AEAD), refusal(1)),
        ((PROTOCOL, AEAD, COOKIE), refusal(1)),
        ((Record(Type.NEXT_PROTOCOL, b"\0", True), AEAD), refusal(1)),
        ((Record(0x4000, b"", True), PROTOCOL, AEAD), refusal(0)),
        ((PROTOCOL, AEAD, Record(0x7FFF, b"", True)), refusal(0)),
        ((numbered(Type.NEXT_PROTOCOL, 1), AEAD), encode((numbered(Type.NEXT_PROTOCOL),))),
        ((PROTOCOL, numbered(Type.AEAD, 30)), encode((PROTOCOL, numbered(Type.AEAD)))),
    ],
)
def test_a_server_refuses_with_a_record(records: tuple[Record, ...], said: bytes) -> None:
    assert answer(records, lambda direction: bytes(32), lambda keys: b"") == said


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ((), "no keys for NTP version 4"),
        ((numbered(Type.NEXT_PROTOCOL),), "no keys for NTP version 4"),
        ((PROTOCOL, COOKIE), "does not have AEAD_AES_SIV_CMAC_256"),
        ((PROTOCOL, numbered(Type.AEAD), COOKIE), "does not have AEAD_AES_SIV_CMAC_256"),
        ((PROTOCOL, numbered(Type.AEAD, 30), COOKIE), "does not have AEAD_AES_SIV_CMAC_256"),
        ((PROTOCOL, numbered(Type.AEAD, 15, 15), COOKIE), "does not have"),
        ((PROTOCOL, AEAD), "gave no cookies"),
        ((PROTOCOL, AEAD, Record(Type.COOKIE)), "gave no cookies"),
        ((PROTOCOL, PROTOCOL, AEAD, COOKIE), "two records of type 1"),
        ((PROTOCOL, AEAD, COOKIE, Record(9, b"", True)), "critical record of unknown type 9"),
        ((numbered(Type.ERROR, 0),), "does not know a critical record"),
        ((numbered(Type.ERROR, 1),), "calls our request bad"),
        ((numbered(Type.ERROR, 2),), "has an internal error"),
        ((numbered(Type.ERROR, 77),), "answers with an error of number 77"),
        ((numbered(Type.WARNING, 3),), "answers with a warning of number 3"),
        ((Record(Type.ERROR, b"\0", True),), "holds a list of odd length"),
        ((PROTOCOL, AEAD, COOKIE, numbered(Type.PORT, 0)), "names a port that can be none"),
        ((PROTOCOL, AEAD, COOKIE, numbered(Type.PORT)), "names a port that can be none"),
        ((PROTOCOL, AEAD, COOKIE, Record(Type.SERVER, b"a b")), "a time server that can be none"),
        ((PROTOCOL, AEAD, COOKIE, Record(Type.SERVER, b"\x1b[2J")), "server that can be none"),
        ((PROTOCOL, AEAD, COOKIE, Record(Type.SERVER)), "a time server that can be none"),
    ],
)
def test_a_client_refuses_in_words(records: tuple[Record, ...], words: str) -> None:
    with pytest.raises(Refused, match=words):
        judge_answer(records)


def test_a_client_takes_the_server_and_the_port_that_are_named() -> None:
    named = (Record(Type.SERVER, b"2001:db8::1"), numbered(Type.PORT, 4123))
    agreed = judge_answer((PROTOCOL, AEAD, *named, *[COOKIE] * 20))
    assert (agreed.server, agreed.port, len(agreed.cookies)) == ("2001:db8::1", 4123, 8)
    # What is unknown and not critical is nobody's business.
    assert judge_answer((PROTOCOL, Record(0x4000, b"?"), AEAD, COOKIE)).cookies == (b"a cookie",)


def test_no_body_is_in_a_repr() -> None:
    assert repr(COOKIE) == "Record(5, 8 bytes)"
