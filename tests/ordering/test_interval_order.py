"""Bounded times order events as far as they can, and causality takes them further."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval
from ordering import PhysicalOrder, TimedEvent, VectorClock, VectorStamp, compare_intervals
from ordering import tightened as tighten
from ordering.interval_order import BoundsContradicted
from tests.ordering.executions import PROCESSES, executions, pasts, stamped

BEFORE, AFTER, OPEN = PhysicalOrder


@pytest.mark.parametrize(
    ("second", "expected"),
    [((11, 12), BEFORE), ((10, 12), OPEN), ((0, 5), OPEN), ((-9, 5), OPEN), ((-9, 4), AFTER)],
)
def test_intervals_are_ordered_only_if_they_do_not_touch(second, expected):
    assert compare_intervals(Interval(5, 10), Interval(*second)) is expected


def events_of(steps, errors):
    """The events of an execution, one microsecond apart, known up to these errors."""
    stamps = stamped(steps, {name: VectorClock(name) for name in PROCESSES})
    return [
        TimedEvent(Interval(1000 * number - low, 1000 * number + high), stamp)
        for number, (stamp, (low, high)) in enumerate(zip(stamps, errors, strict=False))
    ]


bounds = st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)), min_size=24, max_size=24)


@given(executions(), bounds)
def test_true_time_stays_inside_and_no_answer_is_ever_wrong(steps, errors):
    events = events_of(steps, errors)
    narrowed = tighten(events)
    for number, (event, narrow) in enumerate(zip(events, narrowed, strict=True)):
        assert 1000 * number in narrow.time
        assert event.time.contains(narrow.time)
    for a, first in enumerate(narrowed):
        for b, second in enumerate(narrowed):
            assert first.compare(second) in (
                {OPEN} if a == b else {OPEN, BEFORE if a < b else AFTER}
            )


@given(executions(), bounds)
def test_an_interval_is_narrowed_by_exactly_its_past_and_its_future(steps, errors):
    events = events_of(steps, errors)
    reached = pasts(steps)
    for number, narrow in enumerate(tighten(events)):
        earliest = max(events[cause].time.earliest for cause in reached[number])
        effects = [n for n, past in enumerate(reached) if number in past]
        assert narrow.time == Interval(earliest, min(events[n].time.latest for n in effects))


def test_causality_decides_where_intervals_overlap():
    cause = TimedEvent(Interval(0, 100), VectorStamp({"a": 1}))
    effect = TimedEvent(Interval(0, 90), VectorStamp({"a": 1, "b": 1}))
    assert (cause.compare(effect), effect.compare(cause)) == (BEFORE, AFTER)
    assert TimedEvent(cause.time).compare(TimedEvent(effect.time)) is OPEN


def test_a_bound_that_lies_is_named():
    cause = TimedEvent(Interval(200, 210), VectorStamp({"a": 1}))
    effect = TimedEvent(Interval(100, 110), VectorStamp({"a": 1, "b": 1}))
    for attempt in (
        lambda: cause.compare(effect),
        lambda: effect.compare(cause),
        lambda: tighten([effect, cause]),
    ):
        with pytest.raises(BoundsContradicted, match="later by at least 90 ns") as caught:
            attempt()
        assert (caught.value.first, caught.value.second) == (cause, effect)


def test_a_contradiction_over_a_chain_names_the_two_events_that_disagree():
    first = TimedEvent(Interval(200, 210), VectorStamp({"a": 1}))
    vague = TimedEvent(Interval(0, 999), VectorStamp({"a": 1, "b": 1}))
    last = TimedEvent(Interval(100, 110), VectorStamp({"a": 1, "b": 1, "c": 1}))
    with pytest.raises(BoundsContradicted) as caught:
        tighten([last, vague, first])
    assert (caught.value.first, caught.value.second) == (first, last)


def test_events_without_stamps_keep_their_intervals():
    events = [TimedEvent(Interval(0, 5)), TimedEvent(Interval(3, 9))]
    assert tighten(events) == events
