"""Steering the system's clock: by a fake of the call alone, and never by the real one."""

import os
from pathlib import Path

import pytest

from clocksync.runtime import timex
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.timex import STA_UNSYNC, Timex
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.steering import systemclock
from clocksync.steering.states import State
from clocksync.steering.system import ERROR_MAX_US, TRIM_PPM, SystemSteerer
from clocksync.steering.systemclock import (
    FORBIDDEN,
    DryClock,
    Machine,
    open_system_clock,
    other_keepers,
    refusal,
)
from clocksync.steering.timex import TICK_US, KernelClock


class FakeKernel:
    """A clock as Linux keeps it (kernel/time/ntp.c): what of it these calls can change.

    Its oscillator is right; `error_ns` is the clock minus true time.
    """

    def __init__(self, error_ns: int = 0, tick: int = TICK_US) -> None:
        self.error_ns = float(error_ns)
        self.freq, self.slew_us, self.tick = 0, 0.0, tick
        self.status, self.maxerror, self.esterror = STA_UNSYNC, ERROR_MAX_US, ERROR_MAX_US
        self.calls: list[int] = []

    def __call__(self, given: Timex) -> int:
        self.calls.append(given.modes)
        if given.modes == timex.ADJ_OFFSET_SINGLESHOT:
            self.slew_us = float(given.offset)
            return 0
        known = timex.ADJ_FREQUENCY | timex.ADJ_MAXERROR | timex.ADJ_ESTERROR | timex.ADJ_STATUS
        known |= timex.ADJ_SETOFFSET | timex.ADJ_NANO
        assert not given.modes & ~known, f"an unknown mode: {given.modes:#x}"
        if given.modes & timex.ADJ_FREQUENCY:
            assert abs(given.freq) <= 500 * 65536
            self.freq = given.freq
        if given.modes & timex.ADJ_STATUS:
            self.status = given.status
        if given.modes & timex.ADJ_MAXERROR:
            self.maxerror = given.maxerror
        if given.modes & timex.ADJ_ESTERROR:
            self.esterror = given.esterror
        if given.modes & timex.ADJ_SETOFFSET:
            assert given.modes & timex.ADJ_NANO
            assert 0 <= given.time.fraction < SECOND
            self.error_ns += given.time.seconds * SECOND + given.time.fraction
        given.freq, given.status, given.tick = self.freq, self.status, self.tick
        given.maxerror, given.esterror = self.maxerror, self.esterror
        return 0

    @property
    def ppm(self) -> float:
        return self.freq / 65536 + (self.tick - TICK_US) * 100

    def pass_second(self) -> None:
        slewed = max(-500.0, min(500.0, self.slew_us))
        self.slew_us -= slewed
        self.error_ns += self.ppm * 1_000 + slewed * 1_000
        self.maxerror += 500


def follow(kernel: FakeKernel, steerer: SystemSteerer, seconds: int, rate: float = 0.0) -> None:
    """A disciplined clock that is right, over an oscillator that is off by `-rate`."""
    for _ in range(seconds):
        offset = round(-kernel.error_ns)
        steerer.follow(State.LOCKED, offset, rate, 100 * MICROSECOND)
        kernel.pass_second()
        kernel.error_ns -= rate * 1_000


def steered(kernel: FakeKernel, step_ns: int | None = None) -> SystemSteerer:
    return SystemSteerer(KernelClock(kernel), step_ns)


@pytest.mark.parametrize("error_ns", [-20 * MILLISECOND, 700, 20 * MILLISECOND])
@pytest.mark.parametrize("tick", [TICK_US, TICK_US + 1])
def test_the_clock_is_slewed_to_the_disciplined_one(error_ns: int, tick: int) -> None:
    kernel = FakeKernel(error_ns, tick)
    follow(kernel, steered(kernel), 120, rate=23.0)
    assert abs(kernel.error_ns) < 5_000
    assert abs(kernel.ppm - 23.0) <= TRIM_PPM + 0.01
    assert not kernel.status & STA_UNSYNC
    assert 100 <= kernel.maxerror - 500 <= 110


def test_other_programs_see_a_bound_that_holds_while_it_is_slewed() -> None:
    kernel = FakeKernel(5 * MILLISECOND)
    steerer = steered(kernel)
    for _ in range(30):
        follow(kernel, steerer, 1)
        assert abs(kernel.error_ns) <= kernel.maxerror * 1_000 + 1_000


def test_a_step_is_made_only_where_it_was_allowed_and_is_large() -> None:
    allowed, small, forbidden = FakeKernel(SECOND), FakeKernel(5 * MILLISECOND), FakeKernel(SECOND)
    follow(allowed, steered(allowed, 100 * MILLISECOND), 2)
    follow(small, steered(small, 100 * MILLISECOND), 2)
    follow(forbidden, steered(forbidden), 2)
    assert abs(allowed.error_ns) < 5_000
    assert small.error_ns > 3 * MILLISECOND
    assert forbidden.error_ns > 0.99 * SECOND
    assert not any(
        mode & timex.ADJ_SETOFFSET for mode in small.calls + forbidden.calls if mode < 0x8000
    )


def test_nothing_is_touched_before_the_disciplined_clock_was_locked() -> None:
    kernel = FakeKernel(SECOND)
    steerer = steered(kernel)
    steerer.follow(State.UNLOCKED, None, 0.0, None)
    steerer.follow(State.STEPPING, SECOND, 10.0, MILLISECOND)
    steerer.follow(State.HOLDOVER, SECOND, 10.0, MILLISECOND)
    steerer.leave()
    assert set(kernel.calls) == {0}  # reads only


def test_a_time_that_is_lost_is_said_to_be_lost() -> None:
    kernel = FakeKernel()
    steerer = steered(kernel)
    follow(kernel, steerer, 10, rate=5.0)
    steerer.follow(State.UNLOCKED, None, 5.0, None)
    assert kernel.status & STA_UNSYNC
    assert kernel.maxerror == ERROR_MAX_US


def test_who_leaves_keeps_the_frequency_and_ends_the_slew() -> None:
    kernel = FakeKernel(20 * MILLISECOND)
    steerer = steered(kernel)
    follow(kernel, steerer, 3, rate=40.0)
    steerer.leave()
    before = kernel.error_ns
    kernel.pass_second()
    assert kernel.slew_us == 0
    assert abs(kernel.error_ns - before - 40_000) < 100
    assert kernel.status & STA_UNSYNC


def test_whenever_the_program_dies_no_slew_goes_on() -> None:
    for seconds in range(1, 60):
        kernel = FakeKernel(3 * MILLISECOND)
        follow(kernel, steered(kernel), seconds, rate=40.0)
        for _ in range(30):
            kernel.pass_second()
        before = kernel.error_ns
        kernel.pass_second()
        assert abs(kernel.error_ns - before - 40_000) <= TRIM_PPM * 1_000 + 100


def test_a_dry_run_says_what_would_be_done() -> None:
    said: list[str] = []
    steerer = SystemSteerer(DryClock(said.append), 100 * MILLISECOND)
    for offset in (SECOND, 2 * MILLISECOND, 2 * MILLISECOND):
        steerer.follow(State.LOCKED, offset, 12.0, MILLISECOND)
    steerer.leave()
    assert said == [
        "would step by +1.000000000 s",
        "would set the frequency to +12.000 ppm",
        "would say that it is synchronised, within 1000 us",
        "would slew by +2000 us",
        "would end the slew",
        "would say that it is not synchronised, within 3000 us",
    ]


# Who may


def a_machine(tmp_path: Path, *running: str, capabilities: str = "0000000002000000") -> Machine:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text(f"Name:\tx\nCapEff:\t{capabilities}\n")
    for number, name in enumerate(running, start=100):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(f"{name}\n")
    return Machine("linux", "64bit", tmp_path, FakeKernel())


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the guard, with the real call replaced by one that fails the test."""

    def reached(given: Timex) -> int:
        pytest.fail("the real clock_adjtime was reached")

    monkeypatch.setattr(systemclock, "clock_adjtime", reached)
    monkeypatch.delenv(FORBIDDEN)


@pytest.mark.usefixtures("allowed")
def test_a_machine_that_may_be_steered_is(tmp_path: Path) -> None:
    machine = a_machine(tmp_path, "bash", "sshd")
    assert refusal(machine) is None
    clock, lock = open_system_clock(machine)
    with pytest.raises(BadConfig, match="another clocksync"):
        open_system_clock(machine)
    lock.close()
    clock.slew(3)
    assert machine.call.calls[-1] == timex.ADJ_OFFSET_SINGLESHOT  # type: ignore[attr-defined]


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("process", "name"),
    [
        ("chronyd", "chronyd"),
        ("ntpd", "ntpd"),
        ("ptp4l", "ptp4l"),
        ("phc2sys", "phc2sys"),
        ("systemd-timesyn", "systemd-timesyncd"),
    ],
)
def test_a_clock_that_somebody_else_keeps_is_refused(
    tmp_path: Path, process: str, name: str
) -> None:
    why = refusal(a_machine(tmp_path, "bash", process))
    assert why == (
        f"{name} (process 101) keeps the system's clock already: stop it first, or leave out"
        " --system"
    )


@pytest.mark.usefixtures("allowed")
def test_who_has_no_privilege_is_told_which(tmp_path: Path) -> None:
    why = refusal(a_machine(tmp_path, capabilities="0000000000000400"))
    assert why is not None
    assert "CAP_SYS_TIME" in why


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(("system", "word"), [("darwin", "64bit"), ("linux", "32bit")])
def test_other_systems_are_refused(tmp_path: Path, system: str, word: str) -> None:
    why = refusal(Machine(system, word, tmp_path, FakeKernel()))
    assert why is not None
    assert "64-bit Linux" in why


@pytest.mark.usefixtures("allowed")
def test_a_kernel_that_refuses_is_one_line(tmp_path: Path) -> None:
    def refusing(given: Timex) -> int:
        raise PermissionError(1, "Operation not permitted")

    machine = a_machine(tmp_path)
    with pytest.raises(BadConfig, match="the kernel refuses"):
        open_system_clock(Machine("linux", "64bit", machine.proc, refusing))


def test_here_nobody_may_whoever_asks(tmp_path: Path) -> None:
    """The guard that every test runs under, and every program that a test starts."""
    assert os.environ[FORBIDDEN]
    with pytest.raises(BadConfig, match=FORBIDDEN):
        open_system_clock(a_machine(tmp_path))
    with pytest.raises(BadConfig, match=FORBIDDEN):
        open_system_clock()
    with pytest.raises(AssertionError, match="the call was reached"):
        systemclock.clock_adjtime(Timex())


def test_processes_that_end_meanwhile_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    assert other_keepers(tmp_path) == []


def test_the_structure_is_the_kernels() -> None:
    import ctypes

    assert ctypes.sizeof(Timex) == 208
    assert (Timex.freq.offset, Timex.status.offset, Timex.time.offset) == (16, 40, 72)
