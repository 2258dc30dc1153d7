"""The tables of states are complete: nothing is unreachable, unhandled or unused."""

import inspect

import pytest

from vsync import change, committing, engine, gathering, lifecycle, operational, recovering
from vsync.engine import HANDLERS, ON_TIMER
from vsync.frames import FRAMES
from vsync.states import NEXT, RUNS_IN, Cause, State, Timer

RUNNING = [state for state in State if state is not State.IDLE]
BY_THE_ENGINE = {Timer.PAUSE, Timer.LEAVE, Timer.BOOT}
"""Handled in `Engine._on_timer`, whatever the state."""


def reachable(start):
    found = set(NEXT[start].values())
    while True:
        more = found.union(*(NEXT[state].values() for state in found))
        if more == found:
            return found
        found = more


@pytest.mark.parametrize("state", State)
def test_every_state_leads_to_every_other(state):
    assert reachable(state) == set(State)


def test_every_cause_changes_some_state():
    assert {cause for row in NEXT.values() for cause in row} == set(Cause)


def test_every_cause_is_named_where_something_happens():
    modules = (engine, change, committing, gathering, lifecycle, operational, recovering)
    text = "".join(inspect.getsource(module) for module in modules)
    assert [cause for cause in Cause if f"Cause.{cause.name}" not in text] == []


def test_every_state_says_which_timers_run_in_it_and_every_timer_runs_somewhere():
    assert set(RUNS_IN) == set(NEXT) == set(State)
    assert set().union(*RUNS_IN.values()) == set(Timer)


@pytest.mark.parametrize("state", RUNNING)
def test_every_frame_is_handled_in_every_state(state):
    assert set(HANDLERS[state]) == set(FRAMES)


@pytest.mark.parametrize("state", RUNNING)
def test_every_timer_of_a_state_is_handled_there_and_no_other(state):
    assert set(ON_TIMER[state]) == RUNS_IN[state] - BY_THE_ENGINE


def test_there_are_handlers_for_the_states_that_run_and_no_others():
    assert list(HANDLERS) == list(ON_TIMER) == RUNNING


def test_a_member_that_runs_can_be_told_to_leave_anywhere_and_watches_for_pauses():
    for state in RUNNING:
        assert {Timer.PAUSE, Timer.LEAVE} <= RUNS_IN[state]
        assert {Cause.LEAVING, Cause.LEFT} & set(NEXT[state])


def test_whoever_waits_for_a_token_may_lose_it():
    lost = {State.OPERATIONAL: Cause.TOKEN_LOST, State.COMMIT: Cause.COMMIT_LOST}
    lost |= {State.RECOVERY: Cause.RECOVERY_LOST, State.GATHER: Cause.COMMIT_LOST}
    for state, cause in lost.items():
        assert Timer.TOKEN_LOSS in RUNS_IN[state]
        assert NEXT[state][cause] is State.GATHER


def test_states_timers_and_causes_speak_for_themselves():
    for kind in (State, Timer, Cause):
        texts = [member.value for member in kind]
        assert len(set(texts)) == len(texts)
        assert all(text == text.strip() != "" for text in texts)


def test_the_tables_cannot_be_changed():
    with pytest.raises(TypeError):
        NEXT[State.IDLE] = {}
    with pytest.raises(TypeError):
        RUNS_IN[State.IDLE] = frozenset()
