"""Messages come out of datagrams as they went in: whole or not at all, in order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.vsync.talk import RING, data
from vsync.frames import FIRST, LAST, PACKED_MAX, SAFE, Data
from vsync.identity import Service
from vsync.packing import Assembly, Outbox, split

SERVICES = st.sampled_from(Service)
MESSAGES = st.lists(st.tuples(st.binary(max_size=70), SERVICES), max_size=12)


def outbox_of(messages):
    outbox = Outbox()
    for handle, (payload, service) in enumerate(messages):
        outbox.put(handle, (payload,), service)
    return outbox


def frame(packed, number, origin=1):
    return Data(
        *RING,
        number,
        origin,
        packed.flags,
        0,
        10 * number,
        5,
        packed.group,
        packed.lengths,
        packed.payload,
    )


def drained(outbox, room):
    made = []
    while len(outbox):
        made.append(outbox.take(room))
    return made


@given(MESSAGES, st.integers(3, 40))
def test_any_messages_come_back_whole_and_in_order(messages, room):
    outbox, assembly = outbox_of(messages), Assembly(1000)
    got, handles = [], []
    for number, packed in enumerate(drained(outbox, room), 1):
        sent = frame(packed, number)
        assert sent.check() is None
        assert len(packed.payload) + 2 * len(packed.lengths) <= room
        payloads = assembly.unpack(sent)
        assert len(payloads) == len(packed.handles)
        got += [(payload, sent.service) for payload in payloads]
        handles += packed.handles
    assert got == messages
    assert handles == list(range(len(messages)))
    assert outbox.bytes == 0


@given(MESSAGES, st.integers(3, 40))
def test_a_datagram_is_filled_before_the_next_one_begins(messages, room):
    made = drained(outbox_of(messages), room)
    for one, other in pairwise(made):
        if one.is_whole and other.is_whole and one.service is other.service:
            used = len(one.payload) + 2 * len(one.lengths)
            assert used + other.lengths[0] + 2 > room
        if not one.is_whole and not one.flags & LAST:
            assert len(one.payload) == room - 2


@given(MESSAGES, st.integers(3, 40), st.integers(0, 30))
def test_after_a_change_of_rings_a_message_in_pieces_begins_again(messages, room, sent):
    outbox, assembly = outbox_of(messages), Assembly(1000)
    got = []
    for number in range(1, sent + 1):
        if len(outbox):
            got += assembly.unpack(frame(outbox.take(room), number))
    outbox.rewind()
    assembly.reset()
    for number, packed in enumerate(drained(outbox, room), 1):
        got += assembly.unpack(frame(packed, number))
    assert got == [payload for payload, _ in messages]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=50)), max_size=10),
    st.randoms(use_true_random=False),
)
def test_pieces_of_several_senders_may_interleave(messages, rng):
    wanted = {origin: [p for o, p in messages if o == origin] for origin in (1, 2, 3)}
    boxes = {o: outbox_of([(p, Service.AGREED) for p in wanted[o]]) for o in wanted}
    got = {1: [], 2: [], 3: []}
    assembly, number = Assembly(1000), 0
    while busy := [origin for origin in boxes if len(boxes[origin])]:
        number, origin = number + 1, rng.choice(busy)
        got[origin] += assembly.unpack(frame(boxes[origin].take(20), number, origin))
    assert got == wanted


@given(st.lists(st.binary(min_size=30, max_size=60), min_size=1, max_size=4), st.data())
def test_where_pieces_are_lost_nothing_or_the_whole_comes_never_half(payloads, draws):
    """Behind a gap of a transitional configuration, pieces may be missing at the front only."""
    outbox = outbox_of([(payload, Service.SAFE) for payload in payloads])
    frames = [frame(packed, n) for n, packed in enumerate(drained(outbox, 20), 1)]
    kept = frames[draws.draw(st.integers(0, len(frames))) :]
    assembly = Assembly(1000)
    got = [payload for each in kept for payload in assembly.unpack(each)]
    assert got == payloads[len(payloads) - len(got) :]


def test_services_do_not_share_a_datagram():
    outbox = outbox_of([(b"a", Service.AGREED), (b"b", Service.AGREED), (b"s", Service.SAFE)])
    first, second = drained(outbox, 100)
    assert (first.payload, first.lengths, first.handles) == (b"ab", (1, 1), range(2))
    assert first.flags == FIRST | LAST
    assert (second.payload, second.handles) == (b"s", range(2, 3))
    assert second.flags == SAFE | FIRST | LAST


def test_a_message_that_fits_exactly_is_whole_and_one_byte_more_makes_two_pieces():
    whole = drained(outbox_of([(b"x" * 18, Service.AGREED)]), 20)
    assert [packed.lengths for packed in whole] == [(18,)]
    first, last = drained(outbox_of([(b"x" * 19, Service.SAFE)]), 20)
    assert (first.flags, first.lengths, first.handles) == (SAFE | FIRST, (), range(0))
    assert (last.flags, last.lengths, last.handles) == (SAFE | LAST, (), range(1))
    assert (len(first.payload), len(last.payload)) == (18, 1)


def test_so_many_empty_messages_share_a_datagram_and_no_more():
    outbox = outbox_of([(b"", Service.AGREED)] * (PACKED_MAX + 1))
    made = drained(outbox, 65_000)
    assert [len(packed.lengths) for packed in made] == [PACKED_MAX, 1]


def test_a_message_over_the_limit_is_nobodys_and_the_next_one_is_whole():
    outbox = outbox_of([(b"x" * 51, Service.AGREED), (b"y" * 50, Service.AGREED)])
    assembly = Assembly(50)
    frames = [frame(packed, n) for n, packed in enumerate(drained(outbox, 20), 1)]
    assert [p for each in frames for p in assembly.unpack(each)] == [b"y" * 50]


def test_a_second_first_piece_takes_the_place_of_the_first():
    assembly = Assembly(100)
    assert assembly.unpack(data(1, flags=FIRST, lengths=(), payload=b"old")) == ()
    assert assembly.unpack(data(2, flags=FIRST, lengths=(), payload=b"new ")) == ()
    assert assembly.unpack(data(3, flags=LAST, lengths=(), payload=b"one")) == (b"new one",)
    assert assembly.unpack(data(4, flags=LAST, lengths=(), payload=b"stray")) == ()


@given(MESSAGES, st.integers(3, 40), st.integers(1, 5))
def test_how_many_datagrams_wait_is_none_only_if_none_does(messages, room, most):
    outbox = outbox_of(messages)
    while len(outbox):
        assert 1 <= outbox.datagrams(room, most) <= most
        outbox.take(room)
    assert outbox.datagrams(room, most) == 0


def test_what_waits_is_counted_by_its_bytes():
    assert outbox_of([(b"x" * 95, Service.AGREED)]).datagrams(10, 99) == 10
    assert outbox_of([(b"x" * 95, Service.AGREED)]).datagrams(10, 7) == 7
    assert outbox_of([(b"", Service.AGREED)]).datagrams(10, 7) == 1


def test_a_split_gives_empty_messages_their_place():
    assert split(b"abc", (0, 1, 0, 2)) == (b"", b"a", b"", b"bc")
