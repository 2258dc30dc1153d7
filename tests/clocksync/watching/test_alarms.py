"""Alarms: what raises them, that they are told once, and when they are cleared."""

import pytest

from clocksync.measuring.result import Verdict
from clocksync.runtime.units import MICROSECOND
from clocksync.watching.alarms import AlarmBook, Cause, Kind, causes_of
from clocksync.watching.settings import Limits
from tests.clocksync.watching.reports import AT, row, silent

CAUSE = Cause("ntp1", Kind.OFFSET, "too much")
NONE = Limits()


def kinds(one, limits=NONE, silence=3):
    return [cause.kind for cause in causes_of(one, limits, silence)]


def test_an_alarm_is_raised_once_and_cleared_once() -> None:
    book = AlarmBook(hold=3)
    told = [book.update([CAUSE] if n in (1, 2, 3) else [], AT + n) for n in range(8)]
    assert [[(c.raised, c.at_ns - AT) for c in changes] for changes in told] == [
        [], [(True, 1)], [], [], [], [], [(False, 6)], [],
    ]  # fmt: skip
    assert told[6][0].alarm.since_ns == AT + 1
    assert (book.active, book.raised) == ([], 1)


def test_one_that_comes_and_goes_stays_raised() -> None:
    book = AlarmBook(hold=3)
    changes = [c for n in range(30) for c in book.update([CAUSE] if n % 3 == 0 else [], AT + n)]
    assert [c.raised for c in changes] == [True]


def test_what_is_said_of_an_active_alarm_is_the_latest() -> None:
    book = AlarmBook(hold=1)
    book.update([CAUSE], AT)
    book.update([Cause("ntp1", Kind.OFFSET, "even more")], AT + 5)
    (active,) = book.active
    assert (active.cause.detail, active.since_ns) == ("even more", AT)


def test_a_good_host_has_no_cause() -> None:
    assert kinds(row()) == []
    assert kinds(row(), Limits(offset_ns=112 * MICROSECOND, error_ns=100 * MICROSECOND)) == []


@pytest.mark.parametrize(
    ("one", "limits", "kind"),
    [
        (row(), Limits(offset_ns=112 * MICROSECOND - 1), Kind.OFFSET),
        (row(offset_ns=-12_000), Limits(offset_ns=111 * MICROSECOND), Kind.OFFSET),
        (row(), Limits(error_ns=100 * MICROSECOND - 1), Kind.ERROR),
        (row(missed=3), NONE, Kind.SILENCE),
        (silent(), NONE, Kind.SILENCE),
        (silent(missed=0, address=None, refusal="no such name", samples=0), NONE, Kind.SILENCE),
        (row(verdict=Verdict.FALSETICKER), NONE, Kind.FALSETICKER),
        (row(verdict=Verdict.UNSYNCHRONISED), NONE, Kind.UNSYNCHRONISED),
        (row(verdict=Verdict.KISS_OF_DEATH), NONE, Kind.KISS_OF_DEATH),
        (row(verdict=Verdict.INVALID), NONE, Kind.INVALID),
    ],
)
def test_each_thing_that_is_wrong_has_its_kind(one, limits, kind) -> None:
    assert kinds(one, limits) == [kind]


def test_a_liar_that_falls_silent_is_both() -> None:
    assert kinds(row(verdict=Verdict.FALSETICKER, missed=9)) == [Kind.FALSETICKER, Kind.SILENCE]


def test_a_name_that_is_still_looked_up_is_no_silence() -> None:
    assert kinds(silent(missed=0, address=None, refusal="", samples=0)) == []


def test_limits_of_a_host_come_before_those_of_all() -> None:
    own, every = Limits(offset_ns=5), Limits(offset_ns=9, error_ns=7)
    assert own.or_else(every) == Limits(offset_ns=5, error_ns=7)
