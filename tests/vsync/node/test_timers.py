"""When an engine's timers expire on a machine."""

from vsync.events import SetTimer, TimerExpired
from vsync.node.timers import Timers
from vsync.states import Timer


def expired(timers, now):
    return [(one.timer, one.generation) for one in timers.expired(now)]


def test_a_timer_expires_when_it_is_due_and_once():
    timers = Timers()
    assert timers.due_ns(77) == 77
    timers.set(SetTimer(Timer.TOKEN_LOSS, 5, 1000), now=0)
    timers.set(SetTimer(Timer.JOIN, 6, 400), now=0)
    assert timers.due_ns(77) == 400
    assert expired(timers, 399) == []
    assert expired(timers, 400) == [(Timer.JOIN, 6)]
    assert expired(timers, 999) == []
    assert expired(timers, 1000) == [(Timer.TOKEN_LOSS, 5)]
    assert expired(timers, 2000) == []


def test_what_comes_round_again_takes_a_wakeup_in_the_second_half_of_its_time():
    for timer in (Timer.PAUSE, Timer.MERGE):
        timers = Timers()
        timers.set(SetTimer(timer, 1, 1200), now=1000)
        assert timers.due_ns(0) == 1200
        assert expired(timers, 1099) == []
        assert expired(timers, 1100) == [(timer, 1)]
        timers.set(SetTimer(timer, 2, 1300), now=1100)
        assert expired(timers, 1100) == []
        assert expired(timers, 1300) == [(timer, 2)]


def test_but_not_where_its_whole_time_is_needed():
    timers = Timers()
    timers.set(SetTimer(Timer.PAUSE, 1, 1200), now=1000, exactly=True)
    assert expired(timers, 1199) == []
    assert expired(timers, 1200) == [(Timer.PAUSE, 1)]


def test_one_that_is_set_anew_has_its_new_time_and_generation():
    timers = Timers()
    timers.set(SetTimer(Timer.TOKEN_LOSS, 1, 1000), now=0)
    timers.set(SetTimer(Timer.TOKEN_LOSS, 2, 3000), now=500)
    assert expired(timers, 2999) == []
    assert expired(timers, 3000) == [(Timer.TOKEN_LOSS, 2)]
    timers.set(SetTimer(Timer.TOKEN_LOSS, 3, 5000), now=3000)
    timers.cancel(Timer.TOKEN_LOSS)
    timers.cancel(Timer.TOKEN_LOSS)
    assert expired(timers, 9000) == []


def test_what_is_done_about_one_may_cancel_another():
    timers = Timers()
    timers.set(SetTimer(Timer.TOKEN_LOSS, 1, 1000), now=0)
    timers.set(SetTimer(Timer.TOKEN_RETRANSMIT, 2, 1000), now=0)
    found = []
    for one in timers.expired(1000):
        found.append(one)
        timers.cancel(Timer.TOKEN_RETRANSMIT)
    assert found == [TimerExpired(Timer.TOKEN_LOSS, 1)]
