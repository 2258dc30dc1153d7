"""Keys change under traffic, and not a datagram is dropped."""

from itertools import permutations, product

import pytest

from clocksync.security import datagram
from clocksync.security.keyring import KeyRing
from tests.clocksync.security.talk import BODY, JOIN, MS, Talk, group_key, incarnation, ring

STEPS = (ring(1), ring(1, 2, used=1), ring(1, 2, used=2), ring(2))


def chatter(talk: Talk) -> None:
    """Everybody says something to everybody, and everything arrives."""
    for me in talk.members:
        data = talk.says(me)
        for peer in talk.members:
            if peer != me:
                assert talk.hear(peer, data) == (me, JOIN, BODY)


ORDERS = list(permutations((1, 2, 3)))


@pytest.mark.parametrize(
    "orders", list(product(ORDERS[::2], ORDERS, ORDERS[1::2])), ids=lambda orders: f"{orders}"
)
def test_three_members_rotate_in_any_order_and_drop_nothing(orders) -> None:
    """Each takes a step when it likes, as long as nobody is two steps ahead of another."""
    talk = Talk(1, 2, 3, keys=STEPS[0]).acquainted()
    for keys, order in zip(STEPS[1:], orders, strict=True):
        for number in order:
            in_flight = [(me, talk.says(me)) for me in (1, 2, 3)]
            talk[number].use(keys)
            for me, data in in_flight:
                for peer in {1, 2, 3} - {me}:
                    assert talk.hear(peer, data) == (me, JOIN, BODY), "sealed before, opened after"
            chatter(talk)
    assert talk.posted() == [], "nobody had to prove anything anew"
    assert all(talk.says(me)[10] == 2 for me in (1, 2, 3))


def test_what_the_command_writes_is_what_rotates() -> None:
    keys = ring(1)
    for expected in STEPS[1:]:
        _, keys = keys.rotated(group_key(2).secret)
        assert keys == expected


@pytest.mark.parametrize("step", [1, 2])
def test_who_restarts_in_the_middle_of_a_rotation_is_let_in(step: int) -> None:
    talk = Talk(1, 2, 3, keys=STEPS[step]).acquainted()
    talk[1].use(STEPS[step + 1])
    talk.restart(2, STEPS[step])
    talk.greet(2, 1)
    talk.greet(2, 3)
    talk.settle()
    chatter(talk)


def test_who_has_only_the_old_key_is_out_when_it_is_dropped() -> None:
    talk = Talk(1, 2, keys=STEPS[2]).acquainted()
    talk[2].use(STEPS[0])
    talk[1].use(STEPS[3])
    assert talk.hear(1, talk.says(2)) == datagram.UNKNOWN_KEY
    talk.greet(2, 1)
    ((_, _, hello),) = talk.posted()
    assert talk.hear(1, hello) == datagram.UNKNOWN_KEY
    assert talk.posted() == []


def test_the_counter_goes_on_over_all_keys() -> None:
    """Back to a key that was used before: its nonces must not come again."""
    talk = Talk(1)
    counters = []
    for keys in (*STEPS, *reversed(STEPS), ring(1)):
        talk[1].use(keys)
        counters += [int.from_bytes(talk.says(1)[15:23], "big") for _ in range(2)]
    assert counters == list(range(1, 19))


def test_the_window_is_common_to_all_keys() -> None:
    talk = Talk(1, 2, keys=STEPS[1]).acquainted()
    data = talk.says(1)
    assert talk.hear(2, data) == (1, JOIN, BODY)
    talk[2].use(STEPS[2])
    assert talk.hear(2, data) == "replayed"
    talk[1].use(STEPS[2])
    assert talk.understands(2, 1)


def test_a_key_of_the_same_number_and_another_secret_is_another_key() -> None:
    talk = Talk(1, 2).acquainted()
    other = KeyRing((group_key(1).__class__(1, b"o" * 32),), 1)
    data = talk.says(1)
    talk[2].use(other)
    assert talk.hear(2, data) == datagram.BAD_TAG
    talk[1].use(other)
    assert talk.understands(2, 1), "and who was believed still is"


def test_a_member_believed_before_is_believed_under_every_key() -> None:
    talk = Talk(1, 2, keys=STEPS[1]).acquainted()
    talk.now += 10_000 * MS
    for keys in STEPS[2:]:
        talk[1].use(keys)
        talk[2].use(keys)
        assert talk[2].believed(1) == incarnation(1)
        assert talk.understands(2, 1)


def test_what_was_sealed_before_a_change_is_opened_after_it() -> None:
    talk = Talk(1, 2, keys=STEPS[1]).acquainted()
    data = talk.says(1)
    talk[2].use(STEPS[2])
    assert talk.hear(2, data) == (1, JOIN, BODY)
