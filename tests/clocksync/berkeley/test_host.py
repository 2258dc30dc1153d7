"""Conversations with one host: whom it obeys, what it follows, when it takes over."""

from dataclasses import replace

import pytest

from clocksync.berkeley import (
    BerkeleyHost,
    BerkeleySettings,
    Elected,
    GaveUp,
    NoMajority,
    Obeyed,
    Over,
    Role,
    RoundDone,
)
from clocksync.berkeley.frames import NO_BOUND, Answer, Join, Order, Poll
from clocksync.berkeley.host import Timer
from clocksync.berkeley.settings import INTERVAL_MIN_NS
from clocksync.runtime.core import Arrival, Notify, Send, SetTimer, Stamp, StampSource
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND

WALL = 1_790_000_000 * SECOND
POLL = Poll(1, 77, 1, 0, SECOND, 0xFFFF_FFFF, WALL, b"1= 2= 3= 4=", 1)
ORDER = Order(1, 1, 5, 0, 0, 3 * MILLISECOND, 0, 1000, 0, 900)


def member(number: int = 3, **settings) -> BerkeleyHost:
    host = BerkeleyHost(BerkeleySettings(id=number, contact=1, **settings), 5)
    host.start(0)
    return host


def hear(host: BerkeleyHost, sender: object, frame, now: int = SECOND):
    return host.on_frame(Arrival(frame, sender, Stamp(WALL + now, StampSource.KERNEL)), now)


def answers(effects) -> list[Answer]:
    return [e.frame for e in effects if isinstance(e, Send) and isinstance(e.frame, Answer)]


def events(effects, kind):
    return [e.event for e in effects if isinstance(e, Notify) and isinstance(e.event, kind)]


def test_a_member_answers_with_its_difference() -> None:
    (answer,) = answers(hear(member(), 1, POLL, now=7 * MILLISECOND))
    assert (answer.difference, answer.number, answer.bound) == (7 * MILLISECOND, 1, NO_BOUND)


def test_an_order_is_followed_once_and_acknowledged_every_time() -> None:
    host = member()
    hear(host, 1, POLL)
    first, again = hear(host, 1, ORDER), hear(host, 1, ORDER)
    assert [event.adjustment for event in events(first, Obeyed)] == [3 * MILLISECOND]
    assert events(again, Obeyed) == []
    assert [a.number for a in answers(first) + answers(again)] == [900, 900]
    assert host.me.clock.total == 3 * MILLISECOND


@pytest.mark.parametrize(
    ("sender", "order"),
    [
        (2, ORDER),
        (1, replace(ORDER, term=2)),
        (1, replace(ORDER, term=0)),
        (1, replace(ORDER, round=2)),
        (1, replace(ORDER, round=0)),
        (1, replace(ORDER, boot=6)),
    ],
    ids=["another host", "later term", "earlier term", "later round", "no round", "another start"],
)
def test_an_order_that_is_not_for_this_round_of_our_daemon_moves_nothing(sender, order) -> None:
    host = member()
    hear(host, 1, POLL)
    assert events(hear(host, sender, order), Obeyed) == []
    assert host.me.clock.total == 0


def test_an_order_of_a_round_that_is_over_comes_too_late() -> None:
    host = member()
    hear(host, 1, POLL)
    hear(host, 1, replace(POLL, round=2, number=2))
    assert events(hear(host, 1, ORDER), Obeyed) == []


def test_an_order_is_followed_no_further_than_we_allow_and_the_rest_is_in_the_bound() -> None:
    host = member(max_adjust_ns=MILLISECOND)
    hear(host, 1, POLL)
    (obeyed,) = events(hear(host, 1, replace(ORDER, adjustment=-(1 << 63))), Obeyed)
    assert obeyed.adjustment == -MILLISECOND
    assert obeyed.bound == (1 << 63) - MILLISECOND + 1000


def test_the_clock_slews_and_never_goes_back_and_its_claim_grows() -> None:
    host = member()
    hear(host, 1, POLL)
    hear(host, 1, replace(ORDER, adjustment=-50 * MILLISECOND))
    shown = [host.read(WALL + SECOND + at) for at in range(0, 2 * SECOND, SECOND // 50)]
    assert shown == sorted(shown)
    assert shown[-1] == WALL + SECOND + 2 * SECOND - SECOND // 50 - 50 * MILLISECOND
    bounds = [host.status(WALL + SECOND + at).drifted for at in (SECOND, 2 * SECOND, 9 * SECOND)]
    assert bounds == sorted(bounds)
    assert bounds[2] - bounds[1] == pytest.approx(7 * SECOND * 2 * 500e-6, rel=0.01)


def test_a_member_obeys_the_higher_term_and_of_one_term_the_lower_number() -> None:
    host = member()
    hear(host, 2, replace(POLL, term=4))
    assert host.me.reign[:2] == (4, 2)
    refused = hear(host, 9, replace(POLL, term=4, number=2))
    assert host.me.reign[:2] == (4, 2)
    assert answers(refused)[0].daemon == 2, "it is told whom we obey"
    hear(host, 1, replace(POLL, term=4, number=3))
    assert host.me.reign[:2] == (4, 1)
    hear(host, 9, replace(POLL, term=3, number=4))
    assert host.me.reign[:2] == (4, 1)


def test_a_daemon_that_has_restarted_in_its_old_term_is_told_so_and_not_obeyed() -> None:
    host = member()
    hear(host, 1, POLL)
    (answer,) = answers(hear(host, 1, replace(POLL, boot=78, number=2)))
    assert (answer.term, answer.daemon_boot) == (1, 77)
    daemon = BerkeleyHost(BerkeleySettings(id=1), 78)
    daemon.start(0)
    hear(daemon, 3, Join(3, 5, 0, 1, 1, b""))
    daemon.on_timer(Timer.GATHER, 2 * SECOND)
    assert [e.term for e in events(hear(daemon, 3, answer, 3 * SECOND), Elected)] == [2]


def test_the_lower_numbers_of_the_roster_are_given_time_to_take_over() -> None:
    waits = {}
    for number in (2, 3, 4):
        effects = hear(member(number), 1, POLL)
        waits[number] = next(
            e.after for e in effects if isinstance(e, SetTimer) and e.timer is Timer.SILENCE
        )
    assert waits == {2: 3 * SECOND, 3: 3 * SECOND + SECOND // 2, 4: 4 * SECOND}


def test_a_silent_daemon_is_succeeded_in_the_next_term() -> None:
    host = member(2)
    hear(host, 1, POLL)
    effects = host.on_timer(Timer.SILENCE, 5 * SECOND)
    assert [event.term for event in events(effects, Elected)] == [2]
    polls = [e for e in host.on_timer(Timer.ROUND, 5 * SECOND) if isinstance(e, Send)]
    assert [send.to for send in polls] == [1, 3, 4], "the old one is asked too"


def test_a_daemon_that_goes_is_succeeded_at_once_in_turn() -> None:
    waits = {}
    for number in (2, 3):
        host = member(number)
        hear(host, 1, POLL)
        (timer,) = hear(host, 1, Join(1, 77, 1, 1, 1, b""))
        assert timer.timer is Timer.SILENCE
        waits[number] = timer.after
        assert hear(host, 4, Join(1, 77, 1, 1, 1, b"")) == [], "of another it is hearsay"
    assert waits == {2: MILLISECOND, 3: MILLISECOND + SECOND // 2}


def test_hearsay_does_not_make_a_daemon_yield() -> None:
    host = member(3)
    hear(host, 1, POLL)
    host.on_timer(Timer.SILENCE, 5 * SECOND)
    hear(host, 4, Answer(99, 2, 1, 1, 0, 0, 0, 0, 0, 0, 1), 6 * SECOND)
    assert host.role is Role.DAEMON


def test_a_member_that_hears_no_daemon_gives_up() -> None:
    host = member(patience_ns=2 * SECOND)
    assert events(host.on_timer(Timer.JOIN, SECOND), GaveUp) == []
    assert events(host.on_timer(Timer.JOIN, 3 * SECOND), GaveUp)
    assert host.role is Role.LEFT


def test_a_member_ends_when_it_is_told_that_all_is_over() -> None:
    host = member()
    hear(host, 1, replace(POLL, last=1))
    effects = hear(host, 1, replace(ORDER, over=1, adjustment=0, residual=-8, bound=20))
    assert events(effects, Over) == [Over(-8, 20)]
    assert hear(host, 1, replace(POLL, number=3)) == []


def test_clocks_far_apart_are_left_alone() -> None:
    daemon = BerkeleyHost(BerkeleySettings(id=1, gamma_ns=MILLISECOND), 8)
    daemon.start(0)
    hear(daemon, 2, Join(2, 9, 0, 0, 0, b""))
    effects = daemon.on_timer(Timer.GATHER, 2 * SECOND)
    (send,) = [e for e in effects if isinstance(e, Send)]
    daemon.on_sent(send.tag, Stamp(WALL + 2 * SECOND, StampSource.KERNEL), 2 * SECOND)
    answer = Answer(1, 1, 8, 9, NO_BOUND, 0, 0, 5 * SECOND, 0, 0, send.frame.number)
    hear(daemon, 2, answer, 2 * SECOND + MILLISECOND)
    effects = daemon.on_timer(Timer.CLOSE, 3 * SECOND)
    assert events(effects, NoMajority)
    assert events(effects, RoundDone)
    assert not [e for e in effects if isinstance(e, Send)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"id": 0}, "numbered"),
        ({"rounds": 0}, "--rounds"),
        ({"interval_ns": INTERVAL_MIN_NS - 1}, "--interval"),
        ({"polls": 0}, "polls"),
        ({"members": 0}, "--members"),
        ({"gamma_ns": 0}, "--gamma"),
        ({"max_adjust_ns": 0}, "--max-adjust"),
        ({"settle_ns": -1}, "negative"),
        ({"max_drift_ppm": float("nan")}, "--max-drift"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(setting, message) -> None:
    with pytest.raises(BadConfig, match=message):
        BerkeleySettings(**{"id": 1, **setting})
