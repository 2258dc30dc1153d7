"""Each finding from evidence made by hand: when it shows, and when it does not."""

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from clocksync.doctor.evidence import (
    ClockSource,
    Daemon,
    Evidence,
    HostEvidence,
    Severity,
    Stamps,
    Watched,
)
from clocksync.doctor.report import diagnose, lines, to_json
from clocksync.doctor.servers import correlation
from clocksync.kernel_clock import KernelClock
from clocksync.measuring.result import Combined, Verdict
from clocksync.ntp.sample import Sample
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.timex import STA_DEL, STA_INS, STA_UNSYNC
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.clocksync.watching.reports import AT, row, silent

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/doctor-1.json").read_text())
KERNEL = KernelClock(0, 0x2000, 0, 12.5, 3 * MILLISECOND, 1000, 37)


def host(name: str = "a", samples: tuple[Sample, ...] = (), **changes) -> HostEvidence:
    one = row(name, address=f"192.0.2.{ord(name[0])}", **changes)
    return HostEvidence(one.result, samples)


GOOD = Evidence(
    at_ns=AT,
    kernel=KERNEL,
    daemons=(Daemon("chronyd", 7),),
    clock_source=ClockSource("tsc", ("tsc", "hpet")),
    watched=Watched(2 * SECOND, 0, 0),
    stamps=Stamps(received=True, sent=True),
    hosts=(host("a"), host("b"), host("c")),
    combined=Combined(Interval(-50_000, 90_000), ("a", "b", "c"), ()),
    addresses=("192.0.2.1",),
)


def found(**changes):
    diagnosis = diagnose(replace(GOOD, **changes))
    jsonschema.validate(json.loads(to_json(diagnosis)), SCHEMA)
    return {finding.name: finding for finding in diagnosis.findings}


def test_a_machine_in_order_has_no_finding() -> None:
    diagnosis = diagnose(GOOD)
    assert (diagnosis.findings, diagnosis.unchecked, diagnosis.exit_code) == ((), (), 0)
    assert [str(line) for line in lines(diagnosis)] == ["Nothing is wrong, as far as was checked."]


def exchange(delay_ns: int, offset_ns: int, n: int = 0) -> Sample:
    t1 = AT + n * SECOND
    t2 = t1 + delay_ns // 2 + offset_ns
    return Sample(t1, t2, t2, t1 + delay_ns, 0, 0, 4, source=StampSource.KERNEL, interleaved=False)


ONE_WAY = tuple(exchange(200_000 + q, q // 2) for q in (0, 40_000, 900_000, 10_000, 300_000, 5_000))
BOTH_WAYS = tuple(exchange(200_000 + q, 0) for q in (0, 40_000, 900_000, 10_000, 300_000, 5_000))
FAR = Combined(Interval(190 * MILLISECOND, 210 * MILLISECOND), ("a", "b", "c"), ())


@pytest.mark.parametrize(
    ("name", "severity", "changes"),
    [
        ("several-time-daemons", "error", {"daemons": (Daemon("chronyd", 7), Daemon("ntpd", 9))}),
        ("no-time-daemon", "error",
         {"daemons": (), "kernel": replace(KERNEL, status=STA_UNSYNC)}),
        ("no-time-daemon", "error",
         {"daemons": (Daemon("chronyd", 7, steers=False),), "kernel": None}),
        ("kernel-unsynchronised", "warning", {"kernel": replace(KERNEL, status=STA_UNSYNC)}),
        ("kernel-unsynchronised", "warning", {"kernel": replace(KERNEL, state=5)}),
        ("kernel-bound-large", "warning", {"kernel": replace(KERNEL, error_ns=2 * SECOND)}),
        ("drift-out-of-range", "warning", {"kernel": replace(KERNEL, frequency_ppm=-480.0)}),
        ("leap-pending", "note", {"kernel": replace(KERNEL, status=STA_INS)}),
        ("leap-pending", "note", {"kernel": replace(KERNEL, status=STA_DEL)}),
        ("slow-clock-source", "warning", {"clock_source": ClockSource("hpet", ("tsc", "hpet"))}),
        ("slow-clock-source", "warning", {"clock_source": ClockSource("jiffies", ("jiffies",))}),
        ("virtual-machine", "note", {"hypervisor": "KVM"}),
        ("clock-stepped", "error", {"watched": Watched(SECOND, -5 * MILLISECOND, 0)}),
        ("machine-slept", "warning", {"watched": Watched(SECOND, 0, SECOND)}),
        ("no-kernel-stamps", "warning", {"stamps": Stamps(received=True, sent=False)}),
        ("chronyd-without-source", "warning", {"chronyd": "chronyd runs, but is not synchronised"}),
        ("clock-off", "error", {"combined": FAR}),
        ("kernel-bound-broken", "error", {"combined": FAR}),
        ("unreachable", "error", {"hosts": (*GOOD.hosts, HostEvidence(silent("d").result))}),
        ("kiss-of-death", "warning",
         {"hosts": (*GOOD.hosts, host("d", verdict=Verdict.KISS_OF_DEATH))}),
        ("server-unsynchronised", "error",
         {"hosts": (*GOOD.hosts, host("d", verdict=Verdict.UNSYNCHRONISED))}),
        ("falseticker", "error", {"hosts": (*GOOD.hosts, host("d", verdict=Verdict.FALSETICKER))}),
        ("invalid", "error", {"hosts": (*GOOD.hosts, host("d", verdict=Verdict.INVALID))}),
        ("no-majority", "error", {"hosts": (host("a", verdict=Verdict.UNDECIDED),) * 2}),
        ("too-few-servers", "note", {"hosts": (host("a"),)}),
        ("leap-pending", "note", {"hosts": tuple(host(n, leap=1) for n in "abc")}),
        ("leap-disagreement", "warning", {"hosts": (host("a", leap=1), host("b"), host("c"))}),
        ("jitter-large", "warning", {"hosts": (*GOOD.hosts, host("d", jitter_ns=2e6))}),
        ("drift-large", "warning",
         {"hosts": (*GOOD.hosts, host("d", skew_ppm=-120.0, skew_bound_ppm=2.0))}),
        ("server-far-from-reference", "warning",
         {"hosts": (*GOOD.hosts, host("d", root_dispersion_ns=2 * SECOND))}),
        ("asymmetric-path", "warning", {"hosts": (*GOOD.hosts, host("d", ONE_WAY))}),
        ("asymmetric-path", "note", {"hosts": (*GOOD.hosts, host("d", offset_ns=90_000))}),
        ("stratum-loop", "error", {"hosts": (*GOOD.hosts, host("d", reference_id="192.0.2.1"))}),
        ("stratum-loop", "error",
         {"hosts": (host("a", reference_id="192.0.2.98"), host("b", reference_id="192.0.2.97"),
                    host("c"))}),
    ],
)  # fmt: skip
def test_each_finding_shows_with_its_evidence_and_a_remedy(name, severity, changes) -> None:
    told = found(**changes)
    assert name in told, told
    assert told[name].severity is Severity(severity)
    assert told[name].evidence
    assert told[name].remedy
    assert "\n" not in told[name].evidence + told[name].remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"daemons": (), "kernel": KERNEL},  # somebody outside this container keeps it right
        {"daemons": (Daemon("chronyd", 7), Daemon("chronyd", 8))},  # two processes of one
        {"daemons": (Daemon("chronyd", 7), Daemon("chronyd", 9, steers=False))},
        {"hosts": (*GOOD.hosts, host("d", BOTH_WAYS))},
        {"hosts": tuple(host(n, reference_id="192.0.2.250") for n in "abc")},
        {"watched": Watched(SECOND, 50_000, 0)},
    ],
)
def test_what_looks_alike_and_is_well_is_no_finding(changes) -> None:
    assert found(**changes) == {}


def test_what_could_not_be_looked_at_is_said() -> None:
    diagnosis = diagnose(Evidence(at_ns=AT, why={"daemons": "no /proc"}))
    assert {one.name for one in diagnosis.unchecked} == {
        "time-daemons", "kernel-state", "clock-source", "clock-moves", "kernel-stamps", "servers",
    }  # fmt: skip
    assert diagnosis.unchecked[0].reason == "no /proc"
    assert diagnosis.exit_code == 0


def test_the_exit_code_tells_notes_from_what_is_wrong_and_from_nobody_there() -> None:
    assert diagnose(replace(GOOD, hypervisor="KVM")).exit_code == 0
    assert diagnose(replace(GOOD, stamps=Stamps(False, True))).exit_code == 1
    nobody = (HostEvidence(silent("d").result),)
    assert diagnose(replace(GOOD, hosts=nobody, combined=None)).exit_code == 2


def test_the_worst_comes_first() -> None:
    told = diagnose(replace(GOOD, hypervisor="KVM", combined=FAR, stamps=Stamps(False, False)))
    ranks = [list(Severity).index(finding.severity) for finding in told.findings]
    assert ranks == sorted(ranks)
    assert [str(line) for line in lines(told)][-1] == "2 errors and 1 warning."


def test_correlation_tells_which_way_queues_are() -> None:
    assert correlation(ONE_WAY) == pytest.approx(1, abs=0.01)
    assert correlation(tuple(exchange(s.delay_ns, -s.delay_ns // 2) for s in ONE_WAY)) == (
        pytest.approx(-1, abs=0.01)
    )
    assert correlation(BOTH_WAYS) is None  # the offset never moves
    assert correlation(ONE_WAY[:5]) is None
