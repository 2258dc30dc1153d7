"""The table of states, the polling, the settings: data that must be complete and possible."""

from pathlib import Path

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND
from clocksync.steering.polling import LIMIT, Poll
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import NEXT, Cause, State
from tools import discipline_states


def test_every_state_has_a_way_in_and_a_way_out() -> None:
    assert set(NEXT) == set(State)
    reached = {after for causes in NEXT.values() for after in causes.values()}
    assert reached == set(State)
    assert all(any(after is not state for after in NEXT[state].values()) for state in State)


def test_every_cause_occurs() -> None:
    assert {cause for causes in NEXT.values() for cause in causes} == set(Cause)


def test_a_lock_is_lost_by_any_trouble_and_only_holdover_loses_the_bound() -> None:
    assert [s for s in State if Cause.BOUND_LOST in NEXT[s]] == [State.HOLDOVER]
    for cause in (Cause.SOURCES_LOST, Cause.DISAGREED, Cause.CONTRADICTED, Cause.SLEPT):
        assert NEXT[State.LOCKED][cause] is State.HOLDOVER


def test_a_poll_grows_while_noise_explains_all_and_shrinks_with_drift() -> None:
    poll = Poll(4, 6)
    for _ in range(3 * LIMIT):
        poll.adapt(10, 100, 1)
    assert poll.exponent == 6
    for _ in range(3 * LIMIT):
        poll.adapt(1_000, 100, 1)
    assert poll.exponent == 4
    assert poll.interval_ns == 16 * SECOND


def test_noise_of_both_signs_is_no_drift() -> None:
    poll = Poll(4, 6)
    for n in range(6 * LIMIT):
        poll.adapt(300 if n % 2 else -300, 100, 1)
    assert poll.exponent == 6


def test_a_poll_does_not_grow_where_the_bound_would() -> None:
    poll = Poll(4, 6)
    for _ in range(3 * LIMIT):
        poll.adapt(10, 100, 1, may_grow=False)
    assert poll.exponent == 4


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"servo": "pid"}, "none of kalman, pi"),
        ({"poll_min": 7, "poll_max": 6}, "the first is not the greater"),
        ({"poll_min": -7}, "lie in -6 to 17"),
        ({"timeout_ns": 0}, "timeout"),
        ({"max_drift_ppm": 0.0}, "drift"),
        ({"wander_ppm_per_hour": -1.0}, "wander"),
        ({"wander_ppm_per_hour": float("nan")}, "wander"),
        ({"sources_min": 0}, "write 1 or more"),
        ({"step_ns": 0}, "positive"),
        ({"slew_ppm_max": 0.0}, "slew"),
        ({"slew_ppm_max": 600_000.0}, "slew"),
    ],
)
def test_an_impossible_setting_is_named(setting: dict[str, object], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        DisciplineSettings(**setting)  # type: ignore[arg-type]


def test_the_page_of_states_is_what_the_table_says(tmp_path: Path) -> None:
    assert discipline_states.main(["--check"]) == 0
    path = tmp_path / "states.md"
    assert discipline_states.main(["--output", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("holdover", "rest"), encoding="utf-8")
    assert discipline_states.main(["--check", "--output", str(path)]) == 1
