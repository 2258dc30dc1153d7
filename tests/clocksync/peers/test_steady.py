"""A clock that nobody sets: it goes on as if the system's had not been stepped."""

import time
from random import Random

import pytest

from clocksync.meshing.agent import Agent, Asked
from clocksync.peers import steady
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.steady import SteadyClock
from clocksync.runtime.core import Arrival, Notify, Send, Stamp
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND


def test_it_starts_as_the_system_s_clock_ahead_by_what_is_asked() -> None:
    before = time.time_ns()
    ahead = SteadyClock(5 * SECOND).read()
    assert before + 5 * SECOND - 1_000_000 <= ahead <= time.time_ns() + 5 * SECOND + 1_000_000


def test_a_step_of_the_system_s_clock_does_not_move_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, monotonic = [1_000 * SECOND], [50 * SECOND]
    monkeypatch.setattr(steady.time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(steady.time, "monotonic_ns", lambda: monotonic[0])
    clock = SteadyClock()
    monotonic[0] += SECOND
    wall[0] += SECOND - 3600 * SECOND  # set back by an hour
    assert clock.read() == 1_001 * SECOND
    stamp = wall[0] - 7_000  # the kernel's, by the clock as it is now
    assert clock.at(stamp) == 1_001 * SECOND - 7_000


def test_no_clock_runs_at_any_rate() -> None:
    with pytest.raises(BadConfig, match="rate"):
        SteadyClock(0, float("inf"))


def test_an_agent_answers_probes_and_tells_once_of_everybody_new() -> None:
    agent = Agent(1, Random("agent"))
    arrival = Arrival(Probe(7), 3, Stamp(100))
    send, notice = agent.on_frame(arrival, 0)
    assert isinstance(send, Send)
    assert isinstance(send.frame, Echo)
    assert (send.to, send.frame.number, send.frame.arrived) == (3, 7, 100)
    assert notice == Notify(Asked(3))
    assert len(agent.on_frame(Arrival(Probe(8), 3, Stamp(200)), 0)) == 1
    assert agent.on_frame(Arrival(send.frame, 3, Stamp(300)), 0) == []
    assert agent.answers == 2
