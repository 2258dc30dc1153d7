"""Keys of a group: what cannot be, what a rotation does, and that secrets are not told."""

import pickle

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.security.derivation import datagram_key, hello_key
from clocksync.security.keyring import GroupKey, KeyRing, Step
from tests.clocksync.security.talk import CLUSTER, group_key, incarnation, ring


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: GroupKey(256, bytes(32)), "key number 256 is not in 0 to 255"),
        (lambda: GroupKey(-1, bytes(32)), "key number -1"),
        (lambda: GroupKey(1, bytes(16)), "key 1 has 16 bytes instead of 32"),
        (lambda: KeyRing((), 1), "one key or two, not 0"),
        (lambda: ring(1, 2, 3), "one key or two, not 3"),
        (lambda: ring(1, 1), "two keys have the number 1"),
        (lambda: ring(1, 2, used=3), "key 3 is used, but there is no such key"),
    ],
)
def test_what_cannot_be_is_named(make, says) -> None:
    with pytest.raises(BadConfig, match=says):
        make()


def test_a_secret_is_in_no_text() -> None:
    secret = b"SECRET" + bytes(range(26))
    keys = KeyRing((GroupKey(1, secret), group_key(2)), 1)
    for text in (repr(keys), str(keys), repr(keys.sealing), f"{keys.keys}"):
        assert "SECRET" not in text
        assert secret.hex() not in text
    with pytest.raises(BadConfig) as caught:
        GroupKey(1, secret[1:])
    assert "SECRET" not in str(caught.value)
    assert pickle.loads(pickle.dumps(keys)) == keys


def test_numbers_of_keys_go_round_and_never_meet() -> None:
    keys, seen = ring(254), []
    for turn in range(12):
        step, keys = keys.rotated(bytes([turn]) * 32)
        seen.append((step, [key.id for key in keys.keys], keys.used))
    assert seen[:6] == [
        (Step.ADD, [254, 255], 254),
        (Step.SWITCH, [254, 255], 255),
        (Step.DROP, [255], 255),
        (Step.ADD, [255, 0], 255),
        (Step.SWITCH, [255, 0], 0),
        (Step.DROP, [0], 0),
    ]


def test_a_step_that_adds_no_key_does_not_take_the_fresh_secret() -> None:
    keys = ring(1, 2, used=1)
    assert keys.rotated(b"f" * 32)[1].keys == keys.keys


def test_every_purpose_has_a_key_of_its_own() -> None:
    one, other = group_key(1), group_key(2)
    same_secret = GroupKey(2, one.secret)
    life = incarnation(1)
    derived = [
        datagram_key(one, CLUSTER, 1, life),
        datagram_key(one, CLUSTER, 1, incarnation(1, 2)),
        datagram_key(one, CLUSTER, 1, life[:15] + b"\0"),
        datagram_key(one, CLUSTER, 2, life),
        datagram_key(one, CLUSTER + 1, 1, life),
        datagram_key(other, CLUSTER, 1, life),
        datagram_key(same_secret, CLUSTER, 1, life),
        hello_key(one, CLUSTER),
        hello_key(one, CLUSTER + 1),
        hello_key(other, CLUSTER),
        hello_key(same_secret, CLUSTER),
        one.secret,
        other.secret,
    ]
    assert len(set(derived)) == len(derived)
    assert {len(key) for key in derived} == {32}


def test_a_check_value_tells_keys_apart_and_tells_nothing_of_them() -> None:
    assert group_key(1).check_value == GroupKey(77, group_key(1).secret).check_value
    assert group_key(1).check_value != group_key(2).check_value
    assert len(group_key(1).check_value) == 8
    assert group_key(1).check_value not in group_key(1).secret.hex()
