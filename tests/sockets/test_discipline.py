"""A clock disciplined over real sockets: servers that die, come back, lie and are set."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import resources
from typing import Any

import jsonschema
import pytest

import clocksync
from clocksync.cli.discipline_run import Wishes, run
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import Reference
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering.disciplined import DisciplinedClock, DisciplineRun
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import Cause, State, StateChanged
from tests.namespaces import pair

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/discipline-1.json").read_text())
FAST = DisciplineSettings(poll_min=-5, poll_max=-3, timeout_ns=100 * MILLISECOND, precision_ns=200)
COMMAND = [sys.executable, "-m", "clocksync", "discipline"]
OFTEN = ["--min-poll", "-5", "--max-poll", "-3"]
AHEAD_NS = 5 * SECOND
LONGEST_S = 90
MORE_AND_MORE_S = (1, 4, 16)
"""How long to let it run, if a shorter time did not do."""
pytestmark = pytest.mark.slow


def a_server(offset_ns: int = AHEAD_NS, port: int = 0) -> clocksync.Server:
    clock = SoftwareClock(SystemClock(), offset_ns)
    return clocksync.Server(clock, port=port, reference=Reference(stratum=1, precision=-24))


def name_of(server: clocksync.Server) -> str:
    host, port = server.address
    return f"{host}:{port}"


class Told:
    """What a clock told, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self._more = asyncio.Event()

    def __call__(self, event: object) -> None:
        self.events.append(event)
        self._more.set()

    async def wait(self, is_it: Callable[[object], bool]) -> None:
        seen = 0
        while True:
            if any(is_it(event) for event in self.events[seen:]):
                return
            seen = len(self.events)
            self._more.clear()
            await self._more.wait()

    async def cause(self, cause: Cause) -> None:
        """Wait for a change of state for that cause; what was told before does not count."""
        del self.events[:]
        await self.wait(lambda event: isinstance(event, StateChanged) and event.cause is cause)


@asynccontextmanager
async def disciplined(
    *servers: clocksync.Server, settings: DisciplineSettings = FAST
) -> AsyncIterator[tuple[DisciplinedClock, Told]]:
    told = Told()
    async with (
        asyncio.timeout(LONGEST_S),
        clocksync.discipline(
            [name_of(server) for server in servers], settings, on_event=told
        ) as clock,
    ):
        yield clock, told


def offset_of(clock: DisciplinedClock) -> int:
    """The disciplined clock's error if the truth is `AHEAD_NS` ahead of the system's clock."""
    return clock.offset_ns() - AHEAD_NS


def test_a_clock_locks_to_its_servers_and_holds_the_truth() -> None:
    async def scenario() -> None:
        with a_server() as one, a_server() as other:
            async with disciplined(one, other) as (clock, _):
                with pytest.raises(NotSynchronised):
                    clock.now()
                assert not clock.after(0)
                await clock.locked()
                bound, system = clock.now(), SystemClock().read()
                assert bound.earliest - system <= AHEAD_NS + MILLISECOND
                assert clock.after(bound.earliest - 1)
                assert clock.before(bound.latest + SECOND)
                error = clock.error_bound_ns()
                assert error is not None
                assert abs(offset_of(clock)) <= error + MILLISECOND
                assert error < 200 * MILLISECOND

    asyncio.run(scenario())


def test_no_thread_ever_reads_it_backwards() -> None:
    async def scenario() -> None:
        stop, broken = threading.Event(), []

        def read_on(clock: DisciplinedClock) -> None:
            last = clock.read()
            while not stop.is_set():
                reading = clock.read()
                if reading < last:
                    broken.append(last - reading)
                last = reading

        with a_server(-SECOND) as server:
            async with disciplined(server) as (clock, _):
                threads = [threading.Thread(target=read_on, args=(clock,)) for _ in range(2)]
                for thread in threads:
                    thread.start()
                await asyncio.sleep(0.5)  # a while of being slewed and read at once
                stop.set()
                for thread in threads:
                    thread.join()
        assert not broken

    asyncio.run(scenario())


def test_a_server_that_dies_is_held_over_and_one_that_returns_is_followed() -> None:
    async def scenario() -> None:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(a_server())
            port = server.address[1]
            async with disciplined(server) as (clock, told):
                await clock.locked()
                server.stop()
                await told.cause(Cause.SOURCES_LOST)
                first = clock.now().width
                assert clock.state is State.HOLDOVER
                assert clock.now().width >= first
                stack.enter_context(a_server(port=port))
                await told.wait(
                    lambda it: isinstance(it, StateChanged) and it.cause is Cause.RETURNED
                )
                assert abs(offset_of(clock)) < 100 * MILLISECOND

    asyncio.run(scenario())


def test_a_server_that_is_set_is_doubted_then_followed() -> None:
    async def scenario() -> None:
        with a_server() as server:
            assert isinstance(server.clock, SoftwareClock)
            async with disciplined(server) as (clock, told):
                await clock.locked()
                before = clock.read()
                server.clock.step(2 * SECOND)
                await told.cause(Cause.CONTRADICTED)
                await told.wait(
                    lambda it: isinstance(it, StateChanged) and it.cause is Cause.CONFIRMED
                )
                await clock.locked()
                assert clock.read() > before
                assert abs(offset_of(clock) - 2 * SECOND) < 100 * MILLISECOND

    asyncio.run(scenario())


def test_a_liar_among_three_is_not_followed() -> None:
    async def scenario() -> None:
        with a_server() as one, a_server() as other, a_server(AHEAD_NS + 60 * SECOND) as liar:
            async with disciplined(one, liar, other) as (clock, _):
                await clock.locked()
                assert abs(offset_of(clock)) < 100 * MILLISECOND
                # Its answers may come after those that the clock was locked by; no event says so.
                while clock.core.sources[1].standing.value != "falseticker":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                assert abs(offset_of(clock)) < 100 * MILLISECOND

    asyncio.run(scenario())


def test_one_server_named_twice_has_one_vote() -> None:
    async def scenario() -> None:
        with a_server() as server:
            async with disciplined(server, server) as (clock, _):
                await clock.locked()
                assert clock.core.named == 1

    asyncio.run(scenario())


def test_a_machine_that_slept_makes_up_for_it_before_anybody_reads() -> None:
    class Sleeper:
        slept = 0

        def slept_ns(self) -> int:
            slept, self.slept = self.slept, 0
            return slept

    async def scenario() -> None:
        with a_server() as server:
            sleeper = Sleeper()
            run = DisciplineRun([name_of(server)], FAST, sleep=sleeper)  # type: ignore[arg-type]
            async with asyncio.timeout(LONGEST_S), run as clock:
                await clock.locked()
                before = clock.now()
                sleeper.slept = 3600 * SECOND
                after = clock.now()
                assert clock.state is State.HOLDOVER
                assert after.middle - before.middle > 3599 * SECOND
                assert after.error > 2 * SECOND

    asyncio.run(scenario())


def test_settings_that_cannot_be_are_said_before_anything_is_sent() -> None:
    for hosts, family in (([], None), (["a b"], None), (["127.0.0.1"], 5)):
        with pytest.raises(BadConfig):
            clocksync.discipline(hosts, family=family)


# The command


def test_the_command_prints_json_lines_of_its_schema_and_exits_0() -> None:
    documents: list[dict[str, Any]] = []
    with (
        a_server() as server,
        subprocess.Popen(
            [*COMMAND, name_of(server), *OFTEN, "--interval", "500ms", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            is_locked = False
            while not (is_locked and documents[-1]["event"] == "status"):
                documents.append(json.loads(process.stdout.readline()))
                is_locked |= documents[-1].get("state") == "locked"
        finally:
            process.send_signal(signal.SIGTERM)
            out, errors = process.communicate(timeout=60)
    documents += [json.loads(line) for line in out.splitlines()]
    for document in documents:
        jsonschema.validate(document, SCHEMA)
    assert (process.returncode, errors) == (0, "")
    assert [d["state"] for d in documents if d["event"] == "state"][:2] == ["stepping", "locked"]
    last = documents[-1]
    assert last["event"] == "status"
    assert abs(last["offset_s"] - 5) <= last["error_bound_s"] + 0.001


def test_the_served_clock_is_unsynchronised_then_within_what_it_says_of_itself() -> None:
    with a_server() as server:
        process = subprocess.Popen(
            [
                *COMMAND,
                name_of(server),
                *OFTEN,
                "--quiet",
                "--serve",
                "127.0.0.1:0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            place = said.split()[2].rstrip(",")
            assert "not synchronised yet" in said
            while "locked" not in process.stdout.readline():
                pass
            measured = clocksync.measure_sync([place], burst=True, timeout_ns=10 * SECOND)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    row = measured.hosts[0]
    assert process.returncode == 0
    assert row.verdict.value == "truechimer"
    assert row.stratum == 2
    assert row.offset_ns is not None
    assert row.error_bound_ns is not None
    assert abs(row.offset_ns - AHEAD_NS) <= row.error_bound_ns


def test_nobody_who_answers_is_exit_code_2_and_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(wishes(["127.0.0.1:9"], duration_ns=SECOND // 2)) == 2
    assert "no time yet" in capsys.readouterr().out


def test_a_server_without_time_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with clocksync.Server(port=0, reference=Reference(stratum=16)) as server:
        for seconds in MORE_AND_MORE_S:
            code = run(wishes([name_of(server)], duration_ns=seconds * SECOND))
            if code != 2:  # not even an answer came
                break
    assert code == 1
    assert "not synchronised" in capsys.readouterr().out


def test_a_dry_run_of_steering_the_system_says_so_and_does_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with a_server() as server:
        for seconds in MORE_AND_MORE_S:
            wish = wishes([name_of(server)], duration_ns=4 * seconds * SECOND, step_ns=1)
            code = run(replace(wish, system=True, dry_run=True))
            out = capsys.readouterr().out
            if "would set the frequency to" in out:
                break
    assert code == 0
    assert "would refuse: CLOCKSYNC_NEVER_SET_THE_CLOCK is set" in out
    assert "would step by +" in out
    assert "would set the frequency to" in out


def test_steering_the_system_is_refused_here_in_one_line() -> None:
    with pytest.raises(BadConfig, match="CLOCKSYNC_NEVER_SET_THE_CLOCK"):
        run(wishes(["127.0.0.1:9"], system=True))


def wishes(hosts: list[str], **changes) -> Wishes:
    return Wishes(
        **{
            "hosts": hosts,
            "settings": FAST,
            "family": None,
            "source": None,
            "interval_ns": SECOND,
            "duration_ns": None,
            "serve": None,
            "system": False,
            "step_ns": None,
            "dry_run": False,
            "json": False,
            "quiet": False,
            **changes,
        }
    )


@pytest.mark.namespaces
def test_a_cable_that_is_pulled_is_held_over_between_hosts() -> None:
    async def scenario() -> None:
        told = Told()
        with pair() as (left, right):
            with left.inside():
                server = clocksync.Server(bind=left.ipv4, port=1123)
                server.open()
            with right.inside(), server:
                async with (
                    asyncio.timeout(LONGEST_S),
                    clocksync.discipline([f"{left.ipv4}:1123"], FAST, on_event=told) as clock,
                ):
                    await clock.locked()
                    # One kernel, one clock: the truth is the system's own.
                    error = clock.error_bound_ns()
                    assert error is not None
                    assert abs(clock.offset_ns()) <= error
                    left.cut()
                    await told.cause(Cause.SOURCES_LOST)
                    assert SystemClock().read() in clock.now().widened(MILLISECOND)
                    left.restore()
                    await told.wait(
                        lambda it: isinstance(it, StateChanged) and it.cause is Cause.RETURNED
                    )

    asyncio.run(scenario())


def test_a_request_in_another_mode_is_nothing_to_the_clock() -> None:
    """A stranger's datagrams are counted and change nothing."""

    async def scenario() -> None:
        with a_server() as server:
            async with disciplined(server) as (clock, _):
                await clock.locked()
                state = clock.state
                core = clock.core
                from clocksync.runtime.core import Arrival, Stamp

                stranger = Arrival(NtpPacket(mode=4, stratum=1), ("192.0.2.9", 123), Stamp(1))
                assert core.on_frame(stranger, clock.base.now()) == []
                assert core.strays == 1
                assert clock.state is state

    asyncio.run(scenario())
