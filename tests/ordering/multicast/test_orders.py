"""The orders as pure machines: records in by hand, in the sequence that tells them apart."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from ordering.multicast.batch import MESSAGES_MAX, pack, take_batch, unpack
from ordering.multicast.causal import Causal
from ordering.multicast.fifo import Fifo
from ordering.multicast.lamport import ACKNOWLEDGEMENT, LamportOrder
from ordering.multicast.order import MESSAGES, Arranger
from ordering.multicast.sequencer import SEQUENCE, CausalSequencer, Sequencer

MEMBERS = (1, 2, 3)
ALL = (Fifo, Causal, LamportOrder, Sequencer, CausalSequencer)

Records = list[tuple[int, bytes]]


def said(order: Arranger) -> Records:
    """What it wants multicast, after settling."""
    order.settle()
    records, order.outgoing = order.outgoing, []
    return records


def multicast(order: Arranger, text: bytes) -> Records:
    order.multicast([text])
    return said(order)


def hear(order: Arranger, origin: int, records: Records) -> Records:
    for kind, body in records:
        order.receive(origin, kind, body)
    return said(order)


def delivered(order: Arranger) -> list[bytes]:
    return [message for batch in order.delivered for message in batch.messages]


def test_causal_order_holds_an_answer_back_until_the_question_is_there() -> None:
    one, two, three = (Causal(member, MEMBERS) for member in MEMBERS)
    question = multicast(one, b"question")
    hear(two, 1, question)
    answer = multicast(two, b"answer")
    hear(three, 2, answer)
    assert delivered(three) == []
    assert three.waiting() == [1]
    hear(three, 1, question)
    assert delivered(three) == [b"question", b"answer"]
    assert three.waiting() == []
    assert [batch.stamp for batch in three.delivered] == [(1, 0, 0), (1, 1, 0)]


def test_causal_order_does_not_hold_back_what_is_concurrent() -> None:
    one, two, three = (Causal(member, MEMBERS) for member in MEMBERS)
    multicast(one, b"elsewhere")
    hear(three, 2, multicast(two, b"concurrent"))
    assert delivered(three) == [b"concurrent"]


@pytest.mark.parametrize(
    ("cls", "sequence"),
    [(Sequencer, [b"answer", b"question"]), (CausalSequencer, [b"question", b"answer"])],
)
def test_only_the_causal_sequencer_respects_what_a_sender_had_received(
    cls: type[Sequencer], sequence: list[bytes]
) -> None:
    # 1 is the sequencer. 3's question reaches 2 before it reaches 1, and 2 answers.
    one, two, three = (cls(member, MEMBERS) for member in MEMBERS)
    question = multicast(three, b"question")
    hear(two, 3, question)
    assert delivered(two) == []
    answer = multicast(two, b"answer")
    numbers = hear(one, 2, answer)
    numbers += hear(one, 3, question)
    assert delivered(one) == sequence
    hear(three, 2, answer)
    for order in (two, three):
        hear(order, 1, numbers)
        assert delivered(order) == sequence
    if cls is CausalSequencer:
        previews = [m for batch in two.previewed for m in batch.messages]
        assert previews == [b"question", b"answer"]


def test_an_update_is_delivered_once_all_others_have_acknowledged_it() -> None:
    one, two, three = (LamportOrder(member, MEMBERS) for member in MEMBERS)
    update = multicast(one, b"x")
    from_two, from_three = hear(two, 1, update), hear(three, 1, update)
    hear(one, 2, from_two)
    assert delivered(one) == []
    assert one.waiting() == [3]
    hear(one, 3, from_three)
    assert delivered(one) == [b"x"]
    assert one.delivered[0].stamp == (1, 1)
    hear(two, 3, from_three)
    assert delivered(two) == [b"x"]


def test_a_receipt_moves_the_clock_past_what_was_received() -> None:
    one, two = (LamportOrder(member, (1, 2)) for member in (1, 2))
    two.time = 41
    update = multicast(two, b"x")
    one.receive(2, *update[0])
    assert one.time == 43  # 42 was its stamp: the greater of both, and one more


def test_a_sequencer_that_is_silent_is_waited_for() -> None:
    two = Sequencer(2, MEMBERS)
    multicast(two, b"x")
    assert two.waiting() == [1]
    two.receive(1, SEQUENCE, struct.pack(">HI", 3, 1))
    two.settle()
    assert two.waiting() == [3]  # numbered, and not there


def test_messages_of_a_batch_are_numbered_on() -> None:
    order = Fifo(1, MEMBERS)
    order.multicast([b"a", b"b"])
    order.multicast([b"c"])
    assert [batch.first for batch in order.delivered] == [1, 3]


VECTOR = struct.pack(">3Q", 0, 2, 0)
MALFORMED = [
    (Fifo, 9, pack([b"x"])),
    (Fifo, MESSAGES, b""),
    (Fifo, MESSAGES, b"\x00\x00"),
    (Fifo, MESSAGES, b"\x00\x01\x00\x05abc"),
    (Fifo, MESSAGES, b"\x00\x01\x00\x01abc"),
    (Causal, 9, b""),
    (Causal, MESSAGES, b"short"),
    (Causal, MESSAGES, VECTOR + pack([b"x"])),  # its second batch before its first
    (LamportOrder, MESSAGES, b"short"),
    (LamportOrder, MESSAGES, b"\xff" * 8 + pack([b"x"])),
    (LamportOrder, 9, bytes(8)),
    (LamportOrder, ACKNOWLEDGEMENT, bytes(9)),
    (LamportOrder, ACKNOWLEDGEMENT, bytes(8) + struct.pack(">HQ", 7, 1)),
    (Sequencer, SEQUENCE, struct.pack(">HI", 2, 1)),  # from 2, who is not the sequencer
    (Sequencer, 9, b""),
]


@pytest.mark.parametrize(("cls", "kind", "body"), MALFORMED)
def test_a_record_that_is_none_is_malformed(cls: type[Arranger], kind: int, body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        cls(1, MEMBERS).receive(2, kind, body)


@pytest.mark.parametrize("body", [b"", bytes(5), struct.pack(">HI", 9, 1), bytes(6)])
def test_a_sequence_that_is_none_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        Sequencer(2, MEMBERS).receive(1, SEQUENCE, body)


def test_an_acknowledgement_cannot_be_taken_back() -> None:
    order = LamportOrder(1, MEMBERS)
    order.receive(2, ACKNOWLEDGEMENT, bytes(8) + struct.pack(">HQ", 1, 5))
    with pytest.raises(MalformedFrame, match="taken back"):
        order.receive(2, ACKNOWLEDGEMENT, bytes(8) + struct.pack(">HQ", 1, 4))


@pytest.mark.parametrize("cls", ALL)
@given(records=st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=60)), max_size=10))
def test_whatever_a_peer_sends_only_malformed_frame_is_raised(
    cls: type[Arranger], records: Records
) -> None:
    order = cls(2, MEMBERS)
    for kind, body in records:
        try:
            order.receive(1, kind, body)
        except MalformedFrame:
            return
        order.settle()
        order.waiting()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
def test_a_batch_comes_out_as_it_went_in(messages: list[bytes]) -> None:
    assert unpack(b"head" + pack(messages), 4) == messages


def test_a_batch_is_cut_by_size_and_by_number() -> None:
    pending = [bytes(20_000)] * 5
    assert len(take_batch(pending)) == 2
    assert len(pending) == 3
    assert len(take_batch([bytes(60_000)])) == 1
    assert len(take_batch([b""] * (MESSAGES_MAX + 1))) == MESSAGES_MAX
