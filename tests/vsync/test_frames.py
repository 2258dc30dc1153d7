"""Frames byte by byte, written by hand from docs/wire.md, and every refusal of `check`."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import layout
from tests.vsync.talk import RING, commit, data, entry, join, token
from vsync.frames import (
    FIRST,
    FRAMES,
    LARGEST,
    LAST,
    LINGERS,
    MEMBERS_MAX,
    NOBODY,
    PAYLOAD_MAX,
    SAFE,
    Commit,
    CommitEntry,
    Data,
    HoldCancel,
    Join,
    Merge,
    Recovered,
    Token,
)
from vsync.identity import NO_RING, RingId, Service

ONE = "0000000000000005 0001 00000007"  # ring 5.1.7
BIG = "3fffffffffffffff fffe ffffffff"

PLAIN = [
    # Data: ring, sequence, origin, flags, round, timestamp, error, group, lengths, payload
    (
        f"{ONE} 0000000000000009 0003 06 0000002a 00000000000003e8 0000000000000014"
        "00000006 0002 0001 0002 0003 616263",
        Data(5, 1, 7, 9, 3, FIRST | LAST, 42, 1000, 20, 6, (1, 2), b"abc"),
    ),
    (
        f"{BIG} 0000000000000001 0000 1b ffffffff fffffffffffffffe 0000000000000000"
        "ffffffff 0000 0001 ff",
        Data(
            (1 << 62) - 1,
            65534,
            2**32 - 1,
            1,
            0,
            1 | 2 | 8 | 16,
            2**32 - 1,
            -2,
            0,
            2**32 - 1,
            (),
            b"\xff",
        ),
    ),
    (
        f"{ONE} 4000000000000000 fffe 04 00000000 0000000000000000 4000000000000000"
        "00000000 0000 0000",
        Data(5, 1, 7, LARGEST, 65534, LAST, 0, 0, LARGEST, 0, (), b""),
    ),
    # Recovered: ring, sequence, origin, payload
    (f"{ONE} 0000000000000002 0004 0000", Recovered(5, 1, 7, 2, 4, b"")),
    (f"{ONE} 0000000000000100 0004 0002 0102", Recovered(5, 1, 7, 256, 4, b"\x01\x02")),
    (
        f"{BIG} 0000000000000001 ffff 0001 00",
        Recovered((1 << 62) - 1, 65534, 2**32 - 1, 1, 65535, b"\0"),
    ),
    # Token: ring, token_sequence, sequence, all_received_up_to, lowered_by, sent_last_rotation,
    # backlog, recovering, round, timestamp, missing, clocks
    (
        f"{ONE} 0000000000000001 0000000000000000 0000000000000000 ffff 00000000 00000000 00"
        "00000000 0000000000000000 0000 0000",
        Token(5, 1, 7, 1, 0, 0, NOBODY, 0, 0, 0, 0, 0, (), ()),
    ),
    (
        f"{ONE} 0000000000000010 0000000000000009 0000000000000004 0003 00000011 00000012 01"
        "00000013 0000000000000014 0002 0000000000000005 0000000000000006"
        "0002 0000000000000007 0000000000000008",
        Token(5, 1, 7, 16, 9, 4, 3, 17, 18, 1, 19, 20, (5, 6), (7, 8)),
    ),
    (
        f"{BIG} 4000000000000000 4000000000000000 4000000000000000 0000 ffffffff 80000000 ff"
        "80000000 c000000000000000 0000"
        "0004 0000000000000000 0000000000000000 0000000000000001 4000000000000000",
        Token(
            *((1 << 62) - 1, 65534, 2**32 - 1),
            *(LARGEST, LARGEST, LARGEST, 0, 2**32 - 1, 2**31, 255, 2**31, -LARGEST),
            (),
            (0, 0, 1, LARGEST),
        ),
    ),
    # Join: incarnation, ring_sequence, leaving, passed, processes, failed
    (
        "0102030405060708 0000000000000009 00 02 0002 0001 0003 0001 0003",
        Join(0x0102030405060708, 9, 0, 2, (1, 3), (3,)),
    ),
    ("ffffffffffffffff 0000000000000000 01 ff 0000 0000", Join(2**64 - 1, 0, 1, 255, (), ())),
    (
        "0000000000000000 4000000000000000 00 00 0000 0003 0000 0100 fffe",
        Join(0, LARGEST, 0, 0, (), (0, 256, 65534)),
    ),
    # CommitEntry: member, incarnation, old ring, received_up_to, delivered, recovered ring,
    # timestamp, earliest, latest, obligations
    (
        f"0002 0000000000000011 {ONE} 0000000000000009 0000000000000008 {BIG}"
        "0000000000000013 0000000000000014 0000000000000015 0002 0001 0002",
        CommitEntry(*(2, 17, 5, 1, 7, 9, 8, (1 << 62) - 1, 65534, 2**32 - 1, 19, 20, 21, (1, 2))),
    ),
    (
        "0003" + "00" * 76 + "0000",
        CommitEntry(3, 0, *NO_RING, 0, 0, *NO_RING, 0, 0, 0, ()),
    ),
    (
        "fffe ffffffffffffffff 4000000000000000 0000 00000000 4000000000000000 4000000000000000"
        "0000000000000000 0000 00000000 c000000000000000 0000000000000000 4000000000000000"
        "0001 fffe",
        CommitEntry(
            *(65534, 2**64 - 1, LARGEST, 0, 0, LARGEST, LARGEST, 0, 0, 0, -LARGEST, 0, LARGEST),
            (65534,),
        ),
    ),
    # Commit: ring, hop, table
    (f"{ONE} 0000 0000", Commit(5, 1, 7, 0, b"")),
    (f"{ONE} 0003 0003 010203", Commit(5, 1, 7, 3, b"\x01\x02\x03")),
    (f"{BIG} ffff 0001 ff", Commit((1 << 62) - 1, 65534, 2**32 - 1, 65535, b"\xff")),
    # Merge: ring, incarnation
    (f"{ONE} 0000000000000008", Merge(5, 1, 7, 8)),
    (f"{BIG} ffffffffffffffff", Merge((1 << 62) - 1, 65534, 2**32 - 1, 2**64 - 1)),
    ("0000000000000000 0000 00000000 8000000000000000", Merge(0, 0, 0, 1 << 63)),
    # HoldCancel: ring
    (ONE, HoldCancel(5, 1, 7)),
    (BIG, HoldCancel((1 << 62) - 1, 65534, 2**32 - 1)),
    ("0102030405060708 090a 0b0c0d0e", HoldCancel(0x0102030405060708, 0x090A, 0x0B0C0D0E)),
]


@pytest.mark.parametrize(
    ("hexadecimal", "frame"),
    PLAIN,
    ids=[f"{type(f).__name__}-{n % 3}" for n, (_, f) in enumerate(PLAIN)],
)
def test_a_frame_is_written_and_read_as_the_tables_say(hexadecimal, frame):
    raw = bytes.fromhex(hexadecimal)
    assert frame.encode() == raw
    assert type(frame).decode(raw) == frame
    assert frame.check() is None
    for cut in (raw[:-1], raw + b"\0"):
        with pytest.raises(MalformedFrame):
            type(frame).decode(cut)


def test_every_frame_has_three_dumps():
    classes = [type(frame) for _, frame in PLAIN]
    assert {cls: classes.count(cls) for cls in classes} == dict.fromkeys((*FRAMES, CommitEntry), 3)


def test_kinds_are_those_of_the_tables():
    assert [cls.KIND for cls in FRAMES] == [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36]


def test_no_member_has_the_number_that_means_nobody():
    assert NOBODY == 65535
    assert join((1, NOBODY)).check() == "ids out of order"


BEYOND = LARGEST + 1
REFUSALS = [
    (replace(data(), flags=64 | FIRST | LAST), "impossible flags or time"),
    (replace(data(), flags=255), "impossible flags or time"),
    (data(timestamp=BEYOND), "impossible flags or time"),
    (data(timestamp=-BEYOND), "impossible flags or time"),
    (data(0), "impossible number"),
    (data(BEYOND), "impossible number"),
    (data(error=BEYOND), "impossible number"),
    (
        data(payload=bytes(PAYLOAD_MAX - 1), lengths=(PAYLOAD_MAX - 1,)),
        "too much in one datagram",
    ),
    (data(payload=b"abc", lengths=(1, 1)), "lengths that do not add up"),
    (data(payload=b"abc", lengths=(2, 2)), "lengths that do not add up"),
    (data(flags=FIRST), "lengths that do not add up"),
    (data(flags=LAST | SAFE), "lengths that do not add up"),
    (data(lengths=()), "a piece that is the whole"),
    (Recovered(*RING, 0, 1, b""), "impossible number"),
    (Recovered(*RING, BEYOND, 1, b""), "impossible number"),
    (token(sequence=BEYOND), "impossible number"),
    (token(sequence=3, all_received_up_to=4), "impossible number"),
    (token(token_sequence=BEYOND), "impossible number"),
    (token(timestamp=BEYOND), "impossible number"),
    (token(timestamp=-BEYOND), "impossible number"),
    (token(sequence=9, missing=(3,)), "ranges out of order"),
    (token(sequence=9, missing=(4, 3)), "ranges out of order"),
    (token(sequence=9, missing=(3, 5, 4, 6)), "ranges out of order"),
    (token(sequence=9, missing=(0, 3)), "a request for what was never sent"),
    (token(sequence=9, missing=(3, 10)), "a request for what was never sent"),
    (token(clocks=(1,)), "impossible clocks"),
    (token(clocks=(2, 1)), "impossible clocks"),
    (token(clocks=(2, BEYOND)), "impossible clocks"),
    (replace(join((1,)), leaving=2), "impossible number"),
    (join((1,), ring_sequence=BEYOND), "impossible number"),
    (replace(join(()), processes=(2, 1)), "ids out of order"),
    (replace(join(()), processes=(1, 1)), "ids out of order"),
    (replace(join(()), failed=(2, 1)), "ids out of order"),
    (replace(join(()), failed=(NOBODY,)), "ids out of order"),
    (entry(1, old_sequence=BEYOND), "impossible number"),
    (entry(1, recovered_sequence=BEYOND), "impossible number"),
    (entry(1, latest=BEYOND), "impossible number"),
    (entry(1, received_up_to=BEYOND), "impossible number"),
    (entry(1, earliest=21), "impossible number"),
    (entry(1, timestamp=BEYOND), "impossible number"),
    (entry(1, timestamp=-BEYOND), "impossible number"),
    (entry(1, delivered=4, received_up_to=3), "impossible number"),
    (Commit(BEYOND, 1, 1, 0, b""), "impossible number"),
    (Merge(BEYOND, 1, 1, 0), "impossible number"),
]


@pytest.mark.parametrize(
    ("frame", "reason"),
    REFUSALS,
    ids=[f"{n}-{type(f).__name__}" for n, (f, _) in enumerate(REFUSALS)],
)
def test_what_decodes_and_yet_cannot_be_is_refused_by_name(frame, reason):
    assert type(frame).decode(frame.encode()) == frame
    assert frame.check() == reason


@pytest.mark.parametrize(
    "frame",
    [
        data(payload=bytes(PAYLOAD_MAX - 2)),
        data(flags=FIRST, lengths=(), payload=bytes(PAYLOAD_MAX)),
        data(flags=FIRST | LAST | LINGERS),
        data(lengths=(0, 1, 0), payload=b"x"),
        data(flags=0, lengths=()),
        token(sequence=9, missing=(1, 9)),
        token(sequence=9, missing=(3, 3, 5, 5)),
        token(clocks=(0, LARGEST)),
        join(range(MEMBERS_MAX)),
        entry(1, delivered=3, received_up_to=3, earliest=20),
    ],
)
def test_what_can_just_be_is_not_refused(frame):
    assert frame.check() is None
    assert type(frame).decode(frame.encode()) == frame


# The table of a commit token

TABLE = [
    ([entry(1), entry(2), entry(5)], None),
    ([], "members out of order"),
    ([entry(1), entry(1)], "members out of order"),
    ([entry(1), entry(3), entry(2)], "members out of order"),
    ([entry(n) for n in range(1, MEMBERS_MAX + 2)], "members out of order"),
    ([entry(2), entry(3)], "another representative"),
    ([entry(1), entry(NOBODY)], "another representative"),
    ([entry(1), entry(2, delivered=9)], "impossible number"),
]


@pytest.mark.parametrize(("entries", "reason"), TABLE)
def test_a_table_is_read_if_it_can_be_one(entries, reason):
    made = commit(RING, 0, entries)
    if reason is None:
        assert made.entries() == tuple(entries)
    else:
        with pytest.raises(MalformedFrame, match=reason):
            made.entries()


def test_a_table_that_ends_in_the_middle_is_malformed():
    made = commit(RING, 0, [entry(1), entry(2, obligations=(4, 5))])
    for cut in (made.table[:-1], made.table + b"\0"):
        with pytest.raises(MalformedFrame):
            replace(made, table=cut).entries()


def test_the_largest_table_there_is_fits_its_frame():
    most = [
        entry(n, obligations=tuple(range(1, MEMBERS_MAX + 1))) for n in range(1, MEMBERS_MAX + 1)
    ]
    made = commit(RING, 0, most)
    assert Commit.decode(made.encode()).entries() == tuple(most)


def test_frames_say_which_ring_service_and_times_they_are_of():
    assert data(ring=RingId(9, 2, 4)).ring == RingId(9, 2, 4)
    assert data().service is Service.AGREED
    assert data(flags=FIRST | LAST | SAFE).service is Service.SAFE
    assert data(timestamp=100, lengths=(0, 1, 0)).last_timestamp == 102
    assert data(timestamp=100, flags=FIRST, lengths=()).last_timestamp == 100
    for frame in (token(), commit(RING, 0, []), Merge(*RING, 1), HoldCancel(*RING)):
        assert frame.ring == RING
    assert Recovered(*RING, 1, 1, b"").ring == RING
    assert entry(4, old_nonce=3, recovered_nonce=8).old_ring == RingId(1, 4, 3)
    assert entry(4, recovered_sequence=7).recovered_in == RingId(7, 0, 0)
    assert entry(4).is_filled
    assert not entry(4, old_sequence=0, old_representative=0, old_nonce=0).is_filled


def test_a_message_that_is_recovered_fits_whatever_it_holds():
    largest = data(lengths=(0,) * 8192, payload=bytes(0))
    for inner in (largest, data(payload=bytes(PAYLOAD_MAX - 2))):
        made = Recovered(*RING, 1, 1, inner.encode())
        assert Data.decode(Recovered.decode(made.encode()).payload) == inner


# Data and Token have codecs of their own, for speed: they must do what the declaration says


def _way(read):
    """What comes of reading or writing: a value, or the error's words."""
    try:
        return read()
    except (MalformedFrame, ValueError) as error:
        return f"{type(error).__name__}: {error}"


DATA_FIELDS = st.tuples(
    *[st.integers(-1, 1 << 64)] * 10,
    st.lists(st.integers(-1, 1 << 16), max_size=4).map(tuple),
    st.binary(max_size=9),
)


@given(DATA_FIELDS | st.sampled_from([(0,) * 10 + ((0,) * n, b"") for n in (8192, 8193)]))
def test_data_is_written_as_declared(fields):
    frame = Data(*fields)
    assert _way(frame.encode) == _way(lambda: layout(Data).encode(frame))


TOKEN_FIELDS = st.tuples(
    *[st.integers(-1, 1 << 64)] * 12,
    *[st.lists(st.integers(-1, 1 << 64), max_size=3).map(tuple)] * 2,
)


@given(TOKEN_FIELDS | st.sampled_from([(0,) * 12 + ((0,) * 65, ()), (0,) * 12 + ((), (0,) * 257)]))
def test_a_token_is_written_as_declared(fields):
    frame = Token(*fields)
    assert _way(frame.encode) == _way(lambda: layout(Token).encode(frame))


@pytest.mark.parametrize("cls", [Data, Token])
@given(st.data())
def test_what_has_a_codec_of_its_own_is_read_as_declared(cls, draw):
    frames = [frame for _, frame in PLAIN if isinstance(frame, cls)]
    raw = bytearray(draw.draw(st.sampled_from(frames)).encode())
    for _ in range(draw.draw(st.integers(0, 3))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    raw = bytes(raw[: draw.draw(st.integers(0, len(raw)))]) + draw.draw(st.binary(max_size=3))

    def declared():
        frame, end = cls.decode_prefix(raw)
        if end != len(raw):
            raise MalformedFrame("trailing bytes")
        return frame

    assert _way(lambda: cls.decode(raw)) == _way(declared)
    assert _way(lambda: cls.decode(memoryview(raw))) == _way(declared)
