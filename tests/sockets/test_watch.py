"""``watch``, ``waitsync`` and ``doctor`` on real sockets: servers die, come back, jump and lie."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from clocksync import Server
from clocksync.ntp.responder import Reference
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.watching import metrics
from clocksync.watching.alarms import Kind
from clocksync.watching.core import Report
from clocksync.watching.rows import Target
from clocksync.watching.run import WatchRun
from clocksync.watching.settings import Limits, WatchSettings
from tests import namespaces
from tests.daemons import chrony_server
from tests.sockets.servers import Responder, honest, silent

REFERENCE = Reference(stratum=2, root_dispersion_ns=20_000, precision=-24)
QUICK = {"interval_ns": 30 * MILLISECOND, "timeout_ns": 2 * SECOND}
LONGEST_NS = 90 * SECOND
COMMAND = (sys.executable, "-m", "clocksync")


def schema(name: str):
    return json.loads(resources.files("clocksync").joinpath(f"schemas/{name}-1.json").read_text())


def serving(offset_ns: int = 0, port: int = 0) -> Server:
    return Server(SoftwareClock(SystemClock(), offset_ns), port=port, reference=REFERENCE)


def named(server: Server) -> str:
    return f"127.0.0.1:{server.address[1]}"


def watch(hosts, on_report, **settings) -> WatchRun:
    """Watch until `on_report` returns True; it is given each report."""

    async def run() -> WatchRun:
        def take(report: Report) -> None:
            if on_report(report):
                one.stop()

        targets = [Target.parse(host) for host in hosts]
        one = WatchRun(targets, WatchSettings(**{**QUICK, **settings}), on_report=take)
        await one.run(duration_ns=LONGEST_NS)
        return one

    return asyncio.run(run())


def test_the_true_offset_is_in_every_bound_and_near_the_estimate() -> None:
    with serving(5 * MILLISECOND) as server:
        rows = []

        def take(report: Report) -> bool:
            rows.append(report.rows[0].result)
            return len(rows) == 20

        watch([named(server)], take)
    for result in rows:
        assert result.interval is not None
        assert 5 * MILLISECOND in result.interval
    assert rows[-1].interleaved


def test_a_server_that_is_killed_and_restarted_is_silent_and_then_not() -> None:
    server = serving()
    server.__enter__()
    port = server.address[1]
    seen: list[tuple[Kind, bool]] = []
    again: list[Server] = []

    def take(report: Report) -> bool:
        seen.extend((c.alarm.cause.kind, c.raised) for c in report.changes)
        if report.number == 5:
            server.__exit__(None, None, None)
        if seen == [(Kind.SILENCE, True)] and not again:
            again.append(serving(port=port))
            again[0].__enter__()
        return len(seen) == 2

    try:
        watch([f"127.0.0.1:{port}"], take)
    finally:
        for one in again:
            one.__exit__(None, None, None)
    assert seen == [(Kind.SILENCE, True), (Kind.SILENCE, False)]


def test_a_server_whose_clock_is_stepped_is_told_and_its_new_time_believed() -> None:
    with serving() as server:
        clock = server.clock
        assert isinstance(clock, SoftwareClock)
        causes, last, stepped = [], [], []

        def take(report: Report) -> bool:
            causes.extend(c.alarm.cause for c in report.changes if c.raised)
            last[:] = [report.rows[0].result]
            interval = last[0].interval
            if report.number >= 8 and interval is not None and not stepped:
                clock.step(40 * MILLISECOND)
                stepped.append(report.number)
            followed = interval is not None and 40 * MILLISECOND in interval
            return followed and len(causes) >= 2 and report.number >= stepped[0] + 6

        watch([named(server)], take, limits=Limits(offset_ns=10 * MILLISECOND))
    assert [cause.kind for cause in causes] == [Kind.STEP, Kind.OFFSET]
    assert "ahead by about" in causes[0].detail
    assert last[0].interval is not None
    assert 40 * MILLISECOND in last[0].interval


def test_a_clock_of_ours_that_is_stepped_is_told_and_bounds_hold_at_once() -> None:
    clock = SoftwareClock(SystemClock())
    with serving() as server:
        causes, broken, stepped = [], [], []

        async def run() -> None:
            def take(report: Report) -> None:
                causes.extend(c.alarm.cause for c in report.changes if c.raised)
                known = report.rows[0].result.interval is not None
                if report.number >= 6 and known and not stepped:
                    clock.step(-2 * SECOND)
                    stepped.append(report.number)
                    interval = one.core.look().rows[0].result.interval
                    broken.append(interval is None or 2 * SECOND not in interval)
                if stepped and causes and report.number >= stepped[0] + 6:
                    one.stop()

            settings = WatchSettings(**QUICK)
            one = WatchRun([Target.parse(named(server))], settings, on_report=take, clock=clock)
            await one.run(duration_ns=LONGEST_NS)

        asyncio.run(run())
    assert broken == [False]
    assert [(cause.host, cause.kind) for cause in causes] == [("local clock", Kind.STEP)]


def test_a_liar_among_three_is_named() -> None:
    with serving() as one, serving() as two, serving(SECOND) as liar:
        told: list[Report] = []

        def take(report: Report) -> bool:
            told.append(report)
            accused = any(a.cause.kind is Kind.FALSETICKER for a in report.alarms)
            return report.number >= 4 and accused

        wrong = named(liar)
        watch([named(one), wrong, named(two)], take)
    accused = [a.cause.host for a in told[-1].alarms if a.cause.kind is Kind.FALSETICKER]
    assert accused == [wrong]


def test_metrics_are_served_while_it_runs_and_say_what_is_known() -> None:
    with serving(3 * MILLISECOND) as server:
        pages: list[str] = []
        host = named(server)

        async def run() -> None:
            def take(report: Report) -> None:
                if report.rows[0].result.interval is not None and not scraping:
                    scraping.append(threading.Thread(target=scrape))
                    scraping[0].start()

            scraping: list[threading.Thread] = []
            one = WatchRun([Target.parse(host)], WatchSettings(**QUICK), on_report=take)
            with metrics.serving(("127.0.0.1", 0), one.core) as port:
                url = f"http://127.0.0.1:{port}/metrics"

                def scrape() -> None:
                    with urllib.request.urlopen(url, timeout=60) as page:
                        pages.append(page.read().decode())
                    loop.call_soon_threadsafe(one.stop)

                loop = asyncio.get_running_loop()
                await one.run(duration_ns=LONGEST_NS)
                scraping[0].join()

        asyncio.run(run())
    (page,) = pages
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    offset = float(values[f'clocksync_offset_seconds{{group="",host="{host}"}}'])
    bound = float(values[f'clocksync_error_bound_seconds{{group="",host="{host}"}}'])
    assert abs(offset - 3e-3) <= bound
    assert values[f'clocksync_verdict{{group="",host="{host}",verdict="truechimer"}}'] == "1.0"


# The commands


def command(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=110, check=False, **options
    )


def test_the_command_prints_a_line_a_host_and_interval_and_exits_by_its_alarms() -> None:
    with serving() as server:
        often = ("--interval", "500ms", "--count", "4")  # an answer comes within one, almost always
        good = command("watch", named(server), *often)
        bad = command("watch", named(server), *often, "--max-error", "1ns", "-q")
    assert (good.returncode, good.stderr) == (0, "")
    assert len(good.stdout.splitlines()) == 4
    assert all("truechimer" in line for line in good.stdout.splitlines()[1:])
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "ALARM" in bad.stderr
    assert "error: the bound is" in bad.stderr


def test_the_command_exits_with_2_when_nobody_ever_answered() -> None:
    with Responder(silent) as server:
        done = command(
            "watch", server.host, "--interval", "30ms", "--timeout", "20ms", "--count", "30"
        )
    assert done.returncode == 2
    assert "ALARM" in done.stderr


def test_json_lines_and_the_log_are_as_the_schema_has_them_and_can_be_drawn(tmp_path) -> None:
    log, picture = tmp_path / "w.jsonl", tmp_path / "w.svg"
    with serving() as server:
        done = command(
            "watch", named(server), "--interval", "20ms", "--count", "40", "--json",
            "--log", str(log), "--plot", str(picture),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == log.read_text()
    for line in done.stdout.splitlines():
        jsonschema.validate(json.loads(line), schema("watch"))
    assert "bound: truth lies within" in picture.read_text()
    again = command("plot", str(log), "-o", str(tmp_path / "again.png"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.png").stat().st_size > 10_000


@contextlib.contextmanager
def running(*words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_log_is_opened_anew_on_sighup_and_sigterm_ends_it_well(tmp_path) -> None:
    log, old = tmp_path / "w.csv", tmp_path / "w.csv.1"
    with (
        serving() as server,
        running("watch", named(server), "--interval", "20ms", "--log", str(log)) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        log.rename(old)
        process.send_signal(signal.SIGHUP)
        while not (log.exists() and len(log.read_text().splitlines()) > 2):
            assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert old.read_text().splitlines()[0] == log.read_text().splitlines()[0]


def test_an_inventory_is_measured_and_watched(tmp_path) -> None:
    with serving() as one, serving(20 * SECOND) as off:
        path = tmp_path / "hosts.toml"
        path.write_text(
            f'[defaults]\nmax_offset = "9s"\n[hosts.near]\naddress = "{named(one)}"\n'
            f'group = "core"\nsamples = 3\n[hosts.far]\naddress = "{named(off)}"\n'
        )
        measured = command("measure", "--inventory", str(path), "--burst", "--json")
        core = command("measure", "--inventory", str(path), "--group", "core", "--burst", "--json")
        watched = command(
            "watch", "--inventory", str(path), "--interval", "500ms", "--count", "4", "--json"
        )
    assert measured.returncode == 1
    document = json.loads(measured.stdout)
    jsonschema.validate(document, schema("measure"))
    rows = {row["name"]: row for row in document["hosts"]}
    assert (rows["near"]["group"], rows["near"]["samples"]) == ("core", 3)
    assert (rows["far"]["group"], rows["far"]["samples"]) == (None, 8)
    assert (rows["near"]["out_of_bounds"], rows["far"]["out_of_bounds"]) == (False, True)
    assert core.returncode == 0, core.stdout
    assert [row["host"] for row in json.loads(core.stdout)["hosts"]] == ["near"]
    lines = [json.loads(line) for line in watched.stdout.splitlines()]
    alarms = {(line["host"], line["kind"]) for line in lines if line["event"] == "alarm"}
    assert ("far", "offset") in alarms
    assert ("near", "offset") not in alarms


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("watch",), "name at least one host"),
        (("watch", "h:x"), "the port must be"),
        (("watch", "a", "a"), "a is named twice"),
        (("watch", "a", "--interval", "0"), "the interval must be between 1ms and 24h"),
        (("watch", "a", "--metrics", "host"), "write a port, or an address and a port"),
        (("watch", "a", "--plot", "x.gif"), "ends in .svg"),
        (("watch", "a", "--log", "/nowhere/x.jsonl"), "cannot be written"),
        (("watch", "a", "--json", "-q"), "exclude each other"),
        (("watch", "a", "--max-offset", "-1ms"), "the maximum offset cannot be negative"),
        (("watch", "--group", "x"), "name that with --inventory"),
        (("watch", "--inventory", "/nowhere.toml"), "/nowhere.toml cannot be read"),
        (("plot", "/nowhere.jsonl"), "cannot be read"),
        (("plot", os.devnull), "is empty"),
        (("waitsync", "--max-error", "0"), "longer than nothing"),
        (("doctor", "h:0"), "the port must be"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, says, tmp_path) -> None:
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_waitsync_ends_by_what_hosts_prove() -> None:
    with serving() as right, serving(30 * MILLISECOND) as off, Responder(silent) as nobody:
        good = command("waitsync", named(right), "--max-error", "5ms", "--json")
        bad = command("waitsync", named(off), "--max-error", "5ms", "--timeout", "3s")
        none = command("waitsync", nobody.host, "--timeout", "100ms", "--json")
    assert good.returncode == 0
    for done in (good, none):
        jsonschema.validate(json.loads(done.stdout), schema("waitsync"))
    assert json.loads(good.stdout)["outcome"] == "synchronised"
    assert bad.returncode == 1
    assert "not-within: off by at most" in bad.stderr
    assert none.returncode == 2


def test_waitsync_waits_until_it_is_so() -> None:
    with (
        Responder(offset_ns=30 * MILLISECOND) as server,
        running("waitsync", server.host, "--max-error", "20ms", "--interval", "20ms") as process,
    ):
        assert server.asked.wait(30)
        server.clock.step(-30 * MILLISECOND)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "synchronised: the local clock is off by at most" in out


def test_doctor_names_a_liar_and_says_it_in_json() -> None:
    with serving() as one, serving() as two, serving(SECOND) as liar:
        hosts = [named(server) for server in (one, two, liar)]
        done = command("doctor", *hosts, "-n", "2", "--timeout", "10s", "--json")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("doctor"))
    assert done.returncode == 1
    told = {(finding["name"], finding["subject"]) for finding in document["findings"]}
    assert ("falseticker", hosts[2]) in told
    assert document["hosts"] == {"named": 3, "usable": 3}


def test_a_watch_of_a_silent_and_an_honest_server_reports_every_round() -> None:
    with Responder(honest) as good, Responder(silent) as bad:
        told: list[Report] = []

        def take(report: Report) -> bool:
            told.append(report)
            return len(told) >= 6 and report.rows[1].missed >= 3

        watch([good.host, bad.host], take, timeout_ns=SECOND)
    assert told[-1].rows[0].missed == 0
    assert told[-1].rows[1].missed >= 3


@pytest.mark.namespaces
@pytest.mark.interop
def test_a_chronyd_in_another_namespace_is_followed_to_within_its_bound() -> None:
    with namespaces.pair() as (left, right), chrony_server(left), right.inside():
        rows, cut, restored = [], [], []

        def take(report: Report) -> bool:
            rows.append(report.rows[0].result)
            is_followed = rows[-1].interleaved and rows[-1].interval is not None
            if report.number >= 20 and is_followed and not cut:
                right.cut()
                cut.append(report.number)
            elif cut and report.number >= cut[0] + 10 and not restored:
                right.restore()
                restored.append(report.number)
            return bool(restored) and is_followed and report.number >= restored[0] + 30

        watch([left.ipv4], take, timeout_ns=SECOND // 4)
    for result in rows:
        if result.interval is not None:
            assert 0 in result.interval
    assert rows[-1].interleaved
    assert rows[-1].interval is not None


def test_paths_of_the_package_hold_the_schemas() -> None:
    folder = Path(str(resources.files("clocksync"))) / "schemas"
    for name in ("watch", "doctor", "waitsync"):
        told = json.loads((folder / f"{name}-1.json").read_text())
        assert told["$id"] == f"clocksync.{name}/1"
        jsonschema.Draft202012Validator.check_schema(told)
