"""What the examination reads: real where it can be, folders made by hand where not."""

import asyncio

import pytest

from clocksync.doctor.collect import (
    collect,
    own_addresses,
    read_clock_source,
    read_hypervisor,
    running_daemons,
    try_stamps,
    watch_clock,
)
from clocksync.doctor.evidence import ClockSource, Daemon, HostEvidence
from clocksync.kernel_clock import read_kernel_clock, told_by
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.kernel import IS_LINUX
from clocksync.runtime.mmsg import available
from clocksync.runtime.timex import STA_UNSYNC, Timex
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.clocksync.watching.reports import row

needs_linux = pytest.mark.skipif(not IS_LINUX, reason="it is Linux's")


def process(proc, pid: int, name: str, *words: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(name + "\n")
    (proc / str(pid) / "cmdline").write_bytes("\0".join([name, *words, ""]).encode())


def test_time_daemons_are_found_among_processes(tmp_path) -> None:
    (tmp_path / "self").mkdir()
    process(tmp_path, 7, "chronyd", "-F", "2")
    process(tmp_path, 9, "chronyd", "-x")
    process(tmp_path, 11, "systemd-timesyn")
    process(tmp_path, 13, "bash", "chronyd")
    (tmp_path / "15").mkdir()  # has just ended
    assert running_daemons(tmp_path) == (
        Daemon("chronyd", 7),
        Daemon("chronyd", 9, steers=False),
        Daemon("systemd-timesyncd", 11),
    )
    assert running_daemons(tmp_path / "nowhere") is None


def test_the_clock_source_and_the_hypervisor_are_read_where_they_are_told(tmp_path) -> None:
    assert read_clock_source(tmp_path) is None
    assert read_hypervisor(tmp_path) is None
    folder = tmp_path / "sys/devices/system/clocksource/clocksource0"
    folder.mkdir(parents=True)
    (folder / "current_clocksource").write_text("kvm-clock\n")
    (folder / "available_clocksource").write_text("kvm-clock tsc acpi_pm \n")
    assert read_clock_source(tmp_path) == ClockSource("kvm-clock", ("kvm-clock", "tsc", "acpi_pm"))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor : 0\nflags : fpu hypervisor sse\n")
    assert read_hypervisor(tmp_path) == "of a maker that is not told"
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id/sys_vendor").write_text("QEMU\n")
    assert read_hypervisor(tmp_path) == "QEMU"


@pytest.mark.skipif(not available(), reason="kernel stamps are read on Linux only")
def test_stamps_are_found_to_be_there() -> None:
    stamps = try_stamps()
    assert stamps is not None
    assert stamps.received
    assert stamps.sent


def test_a_step_while_the_clock_is_watched_is_seen() -> None:
    clock = SoftwareClock(SystemClock())

    async def watch():
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(watch_clock(clock, enough))
            await asyncio.sleep(0)
            clock.step(-40 * MILLISECOND)
            enough.set()
        return looking.result()

    watched = asyncio.run(watch())
    assert abs(watched.stepped_ns + 40 * MILLISECOND) < MILLISECOND
    assert watched.slept_ns == 0


def test_own_addresses_are_those_by_which_hosts_are_reached() -> None:
    (one,) = own_addresses([HostEvidence(row("a", address="127.0.0.1").result)])
    assert one.startswith("127.")
    assert own_addresses([HostEvidence(row("a", address=None).result)]) == ()


@needs_linux
def test_the_kernel_is_asked_and_answers() -> None:
    told = read_kernel_clock()
    assert told is not None
    assert 0 < told.error_ns <= 16 * SECOND
    assert abs(told.frequency_ppm) <= 500


@needs_linux
def test_what_the_kernel_answers_is_read_in_its_units() -> None:
    import struct

    raw = struct.pack(
        "@IlllliLLL", 0, 5, -32_768, 1_500, 250, STA_UNSYNC, 0, 0, 0
    ).ljust(512, b"\0")  # fmt: skip
    told = told_by(5, Timex.from_buffer_copy(raw))
    assert (told.offset_ns, told.frequency_ppm) == (5_000, -0.5)
    assert (told.error_ns, told.estimated_error_ns) == (1_500_000, 250_000)
    assert not told.synchronised
    assert told_by(0, Timex()).synchronised


def test_an_examination_without_hosts_looks_at_this_machine() -> None:
    evidence = asyncio.run(collect())
    assert evidence.hosts == ()
    assert evidence.watched is not None
    assert evidence.watched.elapsed_ns > SECOND // 2
