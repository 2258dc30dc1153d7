"""A passive observer with the key opens what it can, and says why not."""

import os

import pytest

from clocksync.runtime.errors import MalformedFrame
from clocksync.security import opener
from clocksync.security.datagram import BAD_TAG, UNKNOWN_INCARNATION, UNKNOWN_KEY
from clocksync.security.keyring import GroupKey, KeyRing
from clocksync.security.opener import Opener
from clocksync.security.sealer import Sealer

KEYS = KeyRing((GroupKey(1, bytes(range(32))),), used=1)
OTHER = KeyRing((GroupKey(1, bytes(32)),), used=1)


def sealer(me: int = 3, keys: KeyRing = KEYS) -> Sealer:
    return Sealer(keys, 7, me, os.urandom(16), os.urandom)


def hello_of(sender: Sealer) -> bytes:
    sender.greet(9, 0)
    return sender.take_outgoing()[0][1]


def reason(observer: Opener, data: bytes) -> str:
    with pytest.raises(MalformedFrame) as caught:
        observer.open(data)
    return caught.value.reason


def test_what_was_sealed_is_opened_once_its_sender_has_said_hello() -> None:
    observer, sender = Opener(KEYS), sealer()
    data = sender.seal(0x32, b"token")
    assert reason(observer, data) == UNKNOWN_INCARNATION
    observer.hear(hello_of(sender))
    assert observer.open(data) == observer.open(data) == b"token"


def test_both_keys_of_a_rotation_open() -> None:
    _, both = KEYS.rotated(b"n" * 32)
    _, switched = both.rotated(b"")
    observer, sender = Opener(both), sealer()
    observer.hear(hello_of(sender))
    old = sender.seal(1, b"old")
    sender.use(switched)
    assert [observer.open(old), observer.open(sender.seal(1, b"new"))] == [b"old", b"new"]


def test_another_key_opens_nothing() -> None:
    observer, sender = Opener(OTHER), sealer()
    with pytest.raises(MalformedFrame, match=BAD_TAG):
        observer.hear(hello_of(sender))
    assert reason(observer, sender.seal(1, b"x")) == UNKNOWN_INCARNATION
    elsewhere = Opener(KeyRing((GroupKey(2, bytes(32)),), used=2))
    with pytest.raises(MalformedFrame, match=UNKNOWN_KEY):
        elsewhere.hear(hello_of(sender))
    assert reason(elsewhere, sender.seal(1, b"x")) == UNKNOWN_KEY


def test_what_was_changed_on_the_way_is_not_opened() -> None:
    observer, sender = Opener(KEYS), sealer()
    observer.hear(hello_of(sender))
    data = bytearray(sender.seal(1, b"body"))
    data[-1] ^= 1
    assert reason(observer, bytes(data)) == BAD_TAG
    hello = bytearray(hello_of(sender))
    hello[20] ^= 1
    with pytest.raises(MalformedFrame, match=BAD_TAG):
        observer.hear(bytes(hello))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "INCARNATIONS_MAX", 3)
    observer, senders = Opener(KEYS), [sealer(number) for number in range(1, 6)]
    for sender in senders:
        observer.hear(hello_of(sender))
    assert reason(observer, senders[0].seal(1, b"x")) == UNKNOWN_INCARNATION
    assert observer.open(senders[-1].seal(1, b"x")) == b"x"
