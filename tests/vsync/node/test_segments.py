"""Frames larger than a datagram: cut and put together again, whatever the network does to them."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from tests.vsync.talk import RING, data, token
from vsync.frames import SEGMENT_BYTES, Data, Recovered, Segment
from vsync.node.segments import Assembler, Cutter


def parts_of(frame, part_bytes=10):
    return Cutter(part_bytes).cut(frame, frame.KIND, frame.encode())


def put_all(assembler, bodies):
    return [whole for body in bodies if (whole := assembler.put(body)) is not None]


@given(st.integers(40, 500), st.integers(10, 90), st.randoms(use_true_random=False))
def test_parts_in_any_order_make_the_frame(size, part_bytes, random):
    frame = data(lengths=(), flags=2, payload=random.randbytes(size))
    bodies = parts_of(frame, part_bytes)
    assert all(len(body) <= SEGMENT_BYTES + part_bytes for body in bodies)
    random.shuffle(bodies)
    assert put_all(Assembler(), bodies) == [(Data.KIND, frame.encode())]


def test_a_part_is_as_declared():
    frame = data(payload=bytes(range(20)))
    for n, body in enumerate(parts_of(frame)):
        segment = Segment.decode(body)
        assert (segment.kind, segment.index) == (Data.KIND, n)
        assert segment.part == frame.encode()[10 * n : 10 * n + 10]
        assert segment.encode() == body


def test_what_was_lost_of_a_frame_comes_with_the_next_time_it_is_sent():
    """One datagram in ten is lost: 40 parts all arrive one time in 68, and yet it is there soon."""
    random, frame, times = Random(1), data(payload=bytes(400 - 65)), []
    for _ in range(100):
        assembler, sent = Assembler(), 0
        whole = []
        while not whole:
            sent += 1
            whole = put_all(assembler, [b for b in parts_of(frame) if random.random() > 0.1])
        times.append(sent)
    assert sum(times) / len(times) < 3
    assert max(times) <= 6


def test_parts_of_one_frame_count_whoever_sends_them():
    frame = data(payload=bytes(50))
    one, other = parts_of(frame), parts_of(frame)
    assert put_all(Assembler(), one[::2] + other[1::2]) == [(Data.KIND, frame.encode())]


def test_tokens_are_never_mixed_though_they_look_alike():
    cutter = Cutter(20)
    one, other = token(sequence=1), token(sequence=2)
    first, second = (cutter.cut(frame, frame.KIND, frame.encode()) for frame in (one, other))
    assembler = Assembler()
    assert put_all(assembler, first[:1] + second[1:]) == []
    assert put_all(assembler, first[1:]) == [(one.KIND, one.encode())]


def test_a_message_and_the_same_number_on_another_ring_are_never_mixed():
    mine, wrapped = data(payload=bytes(60)), Recovered(*RING, 1, 1, bytes(90))
    assert len(parts_of(mine)) == len(parts_of(wrapped))
    bodies = parts_of(mine)[:3] + parts_of(wrapped)[3:]
    assert put_all(Assembler(), bodies) == []


def test_what_is_kept_of_frames_that_never_become_whole_is_bounded():
    assembler = Assembler(held_bytes_max=1000)
    for n in range(1, 1000):
        put_all(assembler, parts_of(data(n, payload=bytes(100)))[:-1])
    kept = sum(len(part) for begun in assembler._begun.values() for part in begun.parts)
    assert kept == assembler._held <= 1000
    last = data(999, payload=bytes(100))
    assert put_all(assembler, parts_of(last)[-1:]) == [(Data.KIND, last.encode())]


def test_a_part_that_comes_twice_counts_once():
    assembler, bodies = Assembler(), parts_of(data(payload=bytes(50)))
    put_all(assembler, bodies[:1] * 5)
    assert assembler._held == 10


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "too short"),
        (bytes(12), "too short"),
        (Segment(1, 0x30, 0, 2, b"abc").encode()[:-1], "too short"),
        (Segment(1, 0x30, 0, 2, b"abc").encode() + b"x", "trailing bytes"),
        (Segment(1, 0x30, 2, 2, b"").encode(), "impossible part"),
        (Segment(1, 0x30, 0, 1, b"").encode(), "impossible part"),
        (Segment(1, 0x30, 0, 65, b"").encode(), "impossible part"),
        (Segment(1, 0x37, 0, 2, b"").encode(), "impossible part"),
    ],
)
def test_what_is_no_part_is_refused_by_name(body, reason):
    with pytest.raises(MalformedFrame, match=reason):
        Assembler().put(body)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_rubbish_raises_nothing_else(bodies):
    assembler = Assembler(held_bytes_max=100)
    for body in bodies:
        with suppress(MalformedFrame):
            assembler.put(body)
    assert assembler._held <= 140
