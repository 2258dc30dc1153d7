"""When messages go by IP multicast."""

from clocksync.runtime.units import SECOND
from vsync.node.multicasting import multicast_address
from vsync.node.reach import ASK_EVERY_NS, ASK_SOON_NS, BELIEVED_NS, EAGER_TIMES, Reach


def asked(reach, now):
    """Ask when it is due, from `now` on; when that was, and the number."""
    now = max(now, reach.due_ns())
    return now, reach.ask(now)


def test_nobody_is_reached_before_all_have_answered():
    reach = Reach()
    assert not reach.carries((2, 3), 0)
    now, number = asked(reach, 0)
    reach.heard(2, number, now)
    assert not reach.carries((2, 3), now)
    reach.heard(3, number, now)
    assert reach.carries((2, 3), now)
    assert reach.carries((2,), now)
    assert not reach.carries((2, 3, 4), now)
    assert not reach.carries((), now)


def test_answers_are_believed_for_a_while():
    reach = Reach()
    now, number = asked(reach, 0)
    reach.heard(2, number, now)
    assert reach.carries((2,), now + BELIEVED_NS - 1)
    assert not reach.carries((2,), now + BELIEVED_NS)


def test_an_old_answer_and_one_to_no_question_do_not_count():
    reach = Reach()
    numbers = [asked(reach, n * SECOND)[1] for n in range(EAGER_TIMES + 1)]
    reach.heard(2, numbers[0], 0)
    reach.heard(3, numbers[-1] + 1, 0)
    assert not reach.carries((2,), 1)
    assert not reach.carries((3,), 1)


def test_new_receivers_are_asked_at_once_and_often_and_then_in_intervals():
    reach = Reach()
    now, _ = asked(reach, 0)
    assert reach.due_ns() == now + ASK_EVERY_NS
    reach.carries((2, 3), now + 5)
    assert reach.due_ns() == now + 5
    for _ in range(EAGER_TIMES):
        now, _ = asked(reach, now + 5)
        assert reach.due_ns() == now + ASK_SOON_NS
    now, _ = asked(reach, now)
    assert reach.due_ns() == now + ASK_EVERY_NS


def test_a_group_has_one_multicast_address_where_that_can_work():
    here, there = ("10.0.0.1", 5410), ("10.0.0.2", 5410)
    address, why = multicast_address(0xABCD1234, here, {2: there})
    assert (address, why) == (("239.193.18.52", 5410), "")
    assert multicast_address(0xABCD1234, there, {1: here}) == (address, "")
    here6, there6 = ("fd00::1", 5410), ("fe80::2%3", 5410)
    address, why = multicast_address(0xABCD1234, here6, {2: there6})
    assert (address, why) == (("ff12::abcd:1234", 5410), "")
    assert multicast_address(0x2BCD1234, there6, {1: here6}) == (address, "")
    assert multicast_address(1, here6, {}) == (("ff12::8000:1", 5410), "")
    for listen, peer, says in (
        (("127.0.0.1", 1), ("127.0.0.1", 2), "one machine"),
        (here, ("10.0.0.1", 5411), "share an address"),
        (here, ("10.0.0.2", 5411), "different ports"),
        (("::1", 1), ("::1", 2), "one machine"),
        (here6, ("fd00::1", 5411), "share an address"),
        (here6, ("fd00::2", 5411), "different ports"),
        (("::", 5410), there6, "one interface"),
        (("0.0.0.0", 5410), there, "one interface"),
    ):
        address, why = multicast_address(1, listen, {2: peer})
        assert address is None
        assert says in why
