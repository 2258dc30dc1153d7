"""A recorded run answers every question about order as the graph of its events does."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval
from ordering import Order
from ordering.trace import BadTrace, Recorder, Run, read_events, write_events
from tests.ordering.executions import PROCESSES, executions, pasts


def recorded(steps, reading=lambda: 0):
    """The run of an execution as recorders saw it, and its events in the order of the steps."""
    recorders = {name: Recorder(name, reading=reading) for name in PROCESSES}
    headers, events = {}, []
    for number, step in enumerate(steps):
        recorder = recorders[step.process]
        if step.kind == "send":
            event, headers[number] = recorder.send(f"message {number}")
        elif step.kind == "receive":
            event = recorder.receive(headers[step.sent_at])
        else:
            event = recorder.local()
        events.append(event)
    return Run(event for recorder in recorders.values() for event in recorder.events), events


@given(executions())
def test_happened_before_concurrency_and_pasts_are_those_of_the_graph(steps):
    run, events = recorded(steps)
    reached = pasts(steps)
    number_of = {event: number for number, event in enumerate(events)}
    for a, b in product(range(len(steps)), repeat=2):
        expected = Order.of(a in reached[b], b in reached[a])
        assert run.compare(events[a], events[b]) is expected
        assert run.happened_before(events[a], events[b]) == (expected is Order.BEFORE)
        assert run.concurrent(events[a], events[b]) == (expected is Order.CONCURRENT)
    for number, event in enumerate(events):
        assert {number_of[e] for e in run.causal_past(event)} == reached[number] - {number}
        future = {n for n in range(len(steps)) if number in reached[n]} - {number}
        assert {number_of[e] for e in run.causal_future(event)} == future


@given(executions())
def test_events_are_listed_causes_first_and_messages_are_matched(steps):
    run, events = recorded(steps)
    place = {event: n for n, event in enumerate(run.events)}
    for number, past in enumerate(pasts(steps)):
        assert all(place[events[cause]] <= place[events[number]] for cause in past)
    expected = {(events[s.sent_at], events[n]) for n, s in enumerate(steps) if s.sent_at >= 0}
    assert set(run.messages()) == expected
    assert len(run.messages()) == len(expected)


@given(executions(max_processes=3, max_steps=12), st.data())
def test_cuts_are_consistent_iff_no_effect_is_inside_without_its_causes(steps, data):
    run, events = recorded(steps)
    number_of = {event: number for number, event in enumerate(events)}
    reached = pasts(steps)

    def inside(cut):
        return {number_of[event] for p, count in cut.items() for event in run.events_of(p)[:count]}

    def consistent(cut):
        return all(reached[number] <= inside(cut) for number in inside(cut))

    sizes = {p: len(run.events_of(p)) for p in run.processes}
    every = [
        dict(zip(sizes, counts, strict=True))
        for counts in product(*(range(n + 1) for n in sizes.values()))
    ]
    cut = data.draw(st.sampled_from(every))
    assert run.is_consistent(cut) == consistent(cut)
    latest = run.latest_consistent(cut)
    below = [c for c in every if consistent(c) and all(c[p] <= cut[p] for p in c)]
    assert latest == max(below, key=lambda c: sum(c.values()))
    assert all(c[p] <= latest[p] for c in below for p in c)
    crossing = {
        (events[s.sent_at], events[n])
        for n, s in enumerate(steps)
        if s.sent_at in inside(cut) and n not in inside(cut)
    }
    assert set(run.in_flight(cut)) == crossing


def test_a_cut_may_name_no_event_that_does_not_exist():
    run, _ = recorded([])
    recorder = Recorder("a", reading=lambda: 0)
    recorder.local()
    run = Run(recorder.events)
    with pytest.raises(KeyError, match="no event 2, only 1"):
        run.is_consistent({"a": 2})
    with pytest.raises(KeyError):
        run.is_consistent({"b": 1})


def two_clocks(sent_at, received_at):
    """A run of one message; the readings are the two processes' own."""
    alice = Recorder("alice", reading=lambda: sent_at)
    bob = Recorder("bob", reading=lambda: received_at)
    _, header = alice.send("hello")
    bob.receive(header)
    return Run([*alice.events, *bob.events])


@pytest.mark.parametrize(("received_at", "expected"), [(99, [1]), (100, []), (101, [])])
def test_messages_received_before_they_were_sent_by_the_clocks_are_found(received_at, expected):
    run = two_clocks(100, received_at)
    assert [message.by_ns for message in run.received_before_sent()] == expected
    assert not any(message.certain for message in run.received_before_sent())


@pytest.mark.parametrize(("error", "certain"), [(9, True), (10, False)])
def test_bounds_tell_whether_a_backward_message_proves_one_of_them_wrong(error, certain):
    run = two_clocks(Interval.around(100, error), Interval.around(81, 9))
    (message,) = run.received_before_sent()
    assert (message.by_ns, message.certain) == (19, certain)
    assert ("beyond" in str(message)) == certain


def test_a_cut_by_the_clocks_holds_what_each_process_had_done_by_its_own():
    times = iter([10, 20, 30])
    alice = Recorder("alice", reading=lambda: next(times))
    for _ in range(3):
        alice.local()
    assert Run(alice.events).cut_at(20) == {"alice": 2}


@given(executions())
def test_a_trace_survives_its_file(steps):
    run, _ = recorded(steps, reading=lambda: Interval.around(10**18, 7))
    assert read_events(write_events(run.events)) == run.events


def events(count):
    recorder = Recorder("a", reading=lambda: 0)
    return [recorder.local() for _ in range(count)]


def test_a_restarted_process_under_its_old_name_is_noticed():
    with pytest.raises(BadTrace, match="two events a:1: a process that restarts needs a new name"):
        Run([*events(1), *events(2)])


def test_a_missing_event_is_named():
    made = events(3)
    with pytest.raises(BadTrace, match="event a:2 is missing"):
        Run([made[0], made[2]])
