"""Large datagrams that vanish where small ones pass are told."""

from clocksync.security.plain import PlainSealer
from tests.vsync.node.test_carrier import Wire
from vsync.frames import Heard, HoldCancel, Probe
from vsync.node.path import ASK_EVERY_NS, ASKED_IN_VAIN, Path


def rounds(path, count, *, heard=(2,), answered=()):
    """What is told in so many rounds."""
    told = []
    for _ in range(count):
        path.heard.update(heard)
        whom, found = path.ask(path.due_ns())
        assert whom == sorted(heard)
        for peer in answered:
            path.answered(peer)
        told += found
    return told


def test_what_is_answered_is_well():
    assert rounds(Path(), 20, answered=(2,)) == []


def test_what_is_not_answered_is_told_once():
    path = Path()
    assert rounds(path, ASKED_IN_VAIN) == []
    assert rounds(path, 10) == [2]
    assert path.vanishing == {2}
    assert rounds(path, 1, answered=(2,)) == []
    assert path.vanishing == set()
    assert rounds(path, 10) == [2]


def test_who_is_silent_is_not_asked_and_begins_anew():
    path = Path()
    rounds(path, ASKED_IN_VAIN)
    assert rounds(path, 1, heard=()) == []
    assert rounds(path, ASKED_IN_VAIN) == []


def test_questions_fill_a_datagram_and_are_answered_with_a_small_one():
    warned = []
    one, other = Wire(1, warn=warned.append), Wire(2)
    opened, tokens = [], []
    hello = PlainSealer(7, 2).seal(HoldCancel.KIND, b"")
    for n in range(ASKED_IN_VAIN + 2):
        one.carrier.open([hello], opened, tokens, 0)
        one.carrier.tick(n * ASK_EVERY_NS)
    assert warned == [
        "member 2 gets small datagrams of ours and none of 600 bytes: the path's MTU is smaller"
        " than this group's"
    ]
    peer, question = one.left[0]
    assert (peer, question.kind) == (2, Probe.KIND)
    assert len(question.body) == 600 - PlainSealer.OVERHEAD
    other.carrier.open([PlainSealer(7, 1).seal(Probe.KIND, bytes(question.body))], [], [], 0)
    ((back, answer),) = other.left
    assert (back, answer.kind) == (1, Heard.KIND)
    one.carrier.open([PlainSealer(7, 2).seal(Heard.KIND, bytes(answer.body))], [], [], 0)
    assert one.carrier.path.vanishing == set()


def test_a_question_is_never_larger_than_a_frame_can_be():
    wire = Wire(1, datagram_bytes=65_507)
    wire.carrier.open([PlainSealer(7, 2).seal(HoldCancel.KIND, b"")], [], [], 0)
    wire.carrier.tick(0)
    assert [kind for _, kind in wire.kinds] == [Probe.KIND]
