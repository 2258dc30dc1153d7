"""States on their way: chunks, and rounds of them."""

import json
from random import Random

import pytest

from vsync.identity import NO_RING, RingId
from vsync.replication.events import View
from vsync.replication.lineage import Lineage
from vsync.replication.rounds import Held, Receiver, Sender, Worth
from vsync.replication.standing import Standing
from vsync.replication.transfer import Chunk, Incoming, Outgoing

RING = RingId(5, 1, 7)


def view(name):
    return View("g", name, RING, (1, 2), (), (), "", True, 0)


def worth(applied=3):
    lineage = Lineage()
    lineage.note(RING, 4, True)
    return Worth(RING, applied, lineage, Standing(RING, frozenset({1, 2}), frozenset({1})))


def chunks(name, pieces, size=5, receivers=(2,)):
    outgoing = Outgoing(name, receivers, worth().to_json(), pieces, size)
    made = []
    while not outgoing.is_done:
        made.append(outgoing.take())
    return made


@pytest.mark.parametrize("size", [1, 4, 5, 7, 100])
@pytest.mark.parametrize("pieces", [[], [b""], [b"one"], [b"a" * 30, b"", b"bc"], [b"x"] * 9])
def test_pieces_arrive_as_they_were_made(pieces, size):
    first, *rest = chunks("r", pieces, size)
    incoming = Incoming(first)
    for chunk in rest:
        assert len(chunk.data) <= size
        incoming.put(Chunk.decode(chunk.encode()))
    assert incoming.is_complete
    assert list(incoming.pieces()) == pieces


def test_pieces_are_made_as_chunks_are_asked_for():
    asked = []

    def pieces():
        for number in range(100):
            asked.append(number)
            yield bytes(10)

    outgoing = Outgoing("r", [2], {}, pieces(), 20)
    for _ in range(4):
        outgoing.take()
    assert len(asked) < 10


def test_chunks_out_of_order_or_of_another_round_are_none_of_ours():
    first, second, third, *_ = chunks("r", [b"0123456789"] * 3)
    incoming = Incoming(first)
    incoming.put(third)
    incoming.put(second._replace(round="q"))
    incoming.put(second)
    incoming.put(second)
    incoming.put(third)
    fourth = Chunk("r", 3, True, b"")
    incoming.put(fourth._replace(number=4))
    assert not incoming.is_complete
    incoming.put(fourth)
    assert incoming.is_complete


@pytest.mark.parametrize("data", [b"", b"123", bytes(5), bytes(5) + b"\xff"])
def test_what_is_no_chunk_is_none(data):
    assert Chunk.decode(data) is None


def test_a_worth_is_the_same_through_json():
    value = json.loads(json.dumps(worth().to_json()))
    again = Worth.from_json(value)
    assert again.standing == worth().standing
    assert again.lineage.stretches == worth().lineage.stretches
    assert (again.position, again.applied) == (RING, 3)


@pytest.mark.parametrize(
    "value", [{}, {"applied": 1}, {"applied": 1, "position": [1, 2, 3], "lineage": 7}]
)
def test_what_is_no_worth_is_refused(value):
    with pytest.raises(ValueError, match=r"is no|names no"):
        Worth.from_json(value)


def test_a_receiver_takes_the_state_whose_place_it_knows_and_drops_what_came_before_it():
    receiver = Receiver(2, view("first"))
    before, after = Held(None, 0, 7), Held(None, 1, 8)
    receiver.backlog += [before, view("second"), after]
    first, *rest = chunks("second", [b"state"])
    assert receiver.take(first) == [before]
    for chunk in rest:
        receiver.take(chunk)
    assert receiver.is_complete
    assert receiver.backlog == [after]
    assert receiver.worth.applied == 3


def test_a_chunk_of_a_round_given_up_is_not_taken(*_):
    receiver = Receiver(2, view("present"))
    for chunk in chunks("of a ring before", [b"state"]):
        assert receiver.take(chunk) == []
    assert receiver.incoming is None
    assert receiver.backlog == [view("present")]


def test_a_state_for_others_is_not_taken():
    receiver = Receiver(2, view("r"))
    for chunk in chunks("r", [b"state"], receivers=(3,)):
        receiver.take(chunk)
    assert not receiver.is_complete


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"receivers":[2]}'])
def test_a_header_that_is_none_begins_nothing(data):
    receiver = Receiver(2, view("r"))
    receiver.take(Chunk("r", 0, False, data))
    assert receiver.incoming is None


def test_a_sender_sends_the_next_chunk_when_one_was_delivered():
    sender = Sender(5, window=2)
    under_way = sender.begin("r", [2], worth(), [b"0123456789" * 3])
    assert len(under_way) == 2
    sent = list(under_way)
    while under_way:
        more = sender.delivered(under_way.pop(0))
        assert len(more) <= 1
        under_way += more
        sent += more
    assert [chunk.number for chunk in sent] == list(range(len(sent)))
    assert sent[-1].is_last
    assert not sender.is_busy


def test_rounds_side_by_side_do_not_mix():
    sender, random = Sender(3, window=2), Random(7)
    under_way = sender.begin("a", [2], worth(), [b"a" * 40])
    under_way += sender.begin("b", [3], worth(), [b"b" * 60])
    incoming = {chunk.round: Incoming(chunk) for chunk in under_way if chunk.number == 0}
    order = {"a": [c for c in under_way if c.round == "a"], "b": under_way[2:]}
    while any(order.values()):
        queue = order[random.choice([name for name in "ab" if order[name]])]
        chunk = queue.pop(0)
        incoming[chunk.round].put(chunk)
        queue += sender.delivered(chunk)
    assert list(incoming["a"].pieces()) == [b"a" * 40]
    assert list(incoming["b"].pieces()) == [b"b" * 60]


def test_a_round_without_receivers_ends():
    sender = Sender(1, window=1)
    sender.begin("r", [2, 3], worth(), [b"state"])
    sender.forget(2)
    assert sender.is_busy
    sender.forget(3)
    assert not sender.is_busy
    sender.begin("r", [2], worth(), [b"state"])
    sender.stop()
    assert sender.delivered(Chunk("r", 0, False, b"")) == []


def test_a_standing_of_nothing_is_the_same_through_json():
    assert Standing.from_json(json.loads(json.dumps(Standing().to_json()))) == Standing()
    assert Standing().ring == NO_RING
    with pytest.raises(ValueError, match="no standing"):
        Standing.from_json([])
