"""Effects as events of a history: one for each thing that happened, with its name."""

import hashlib

import pytest

from tests.vsync.talk import RING
from vsync.events import (
    Accepted,
    Configuration,
    Kind,
    Left,
    Messages,
    Multicast,
    Ordered,
    Pressure,
    Promised,
    Refusal,
    Refused,
)
from vsync.frames import HoldCancel
from vsync.history import Chronicler, digest
from vsync.identity import RingId, Service
from vsync.states import Cause


def told(chronicler, effect, true_time=None):
    return list(chronicler.describe(effect, true_time))


def test_a_payload_is_named_by_its_hash():
    for payload in (b"", b"hello", bytes(1000)):
        assert digest(payload) == hashlib.sha256(payload).hexdigest()[:16]


def test_a_message_accepted_is_submitted_and_sent_when_it_has_its_place():
    chronicler = Chronicler()
    for handle, payload, service in ((7, b"a", Service.SAFE), (8, b"b", Service.SAFE)):
        chronicler.submitting(handle, payload, service)
    assert told(chronicler, Accepted(7)) == [
        {"event": "submit", "handle": "7", "service": "safe", "digest": digest(b"a")}
    ]
    sent = told(chronicler, Ordered(RING, 4, range(7, 9), Service.SAFE), true_time=99)
    assert [event["message"] for event in sent] == ["5.1.7/4.0", "5.1.7/4.1"]
    assert sent[1] == {
        "event": "send",
        "message": "5.1.7/4.1",
        "handle": "8",
        "service": "safe",
        "digest": digest(b"b"),
        "true_time": 99,
    }


def test_outside_a_simulation_nobody_knows_the_true_time():
    chronicler = Chronicler()
    chronicler.submitting(1, b"a", Service.AGREED)
    (event,) = told(chronicler, Ordered(RING, 4, range(1, 2), Service.AGREED, whole=False))
    assert event["message"] == "5.1.7/4"
    assert "true_time" not in event


def test_each_message_of_a_datagram_is_delivered_a_nanosecond_after_the_one_before():
    effect = Messages(
        RING, 3, 2, Service.AGREED, 1000, 50, ("suspect",), "R5.1.7", (b"one", b"two")
    )
    first, second = told(Chronicler(), effect)
    assert first == {
        "event": "deliver",
        "message": "5.1.7/3.0",
        "origin": 2,
        "service": "agreed",
        "digest": digest(b"one"),
        "timestamp": 1000,
        "error": 50,
        "flags": ["suspect"],
        "configuration": "R5.1.7",
    }
    changed = {"message": "5.1.7/3.1", "timestamp": 1001, "digest": digest(b"two")}
    assert second == first | changed


def test_a_message_that_came_in_pieces_has_no_index():
    effect = Messages(RING, 3, 2, Service.SAFE, 10, 5, (), "R5.1.7", (b"x",), whole=False)
    assert [event["message"] for event in told(Chronicler(), effect)] == ["5.1.7/3"]


@pytest.mark.parametrize("kind", Kind)
def test_only_a_regular_configuration_has_the_number_of_its_ring(kind):
    effect = Configuration("id", kind, RingId(9, 2, 1), (2, 3), (3,), (1,), Cause.TOKEN_LOST, 5, 6)
    (event,) = told(Chronicler(), effect)
    expected = {
        "event": "configuration",
        "id": "id",
        "kind": kind.value,
        "ring": "9.2.1",
        "members": [2, 3],
        "timestamp": 5,
        "error": 6,
        "reason": "the token did not come back in time",
    }
    assert event == (expected | {"ring_seq": 9} if kind is Kind.REGULAR else expected)


def test_a_promise_and_a_leave_are_told():
    assert told(Chronicler(), Promised(RING, (1, 2))) == [
        {"event": "recovered", "ring": "5.1.7", "obligations": [1, 2]}
    ]
    assert told(Chronicler(), Left()) == [{"event": "leave"}]


@pytest.mark.parametrize(
    "effect", [Refused(1, Refusal.TOO_LARGE), Pressure(True), Multicast(HoldCancel(*RING))]
)
def test_what_the_model_does_not_know_is_no_event(effect):
    assert told(Chronicler(), effect) == []
