"""What tells a member the time: by the kernel, by chronyd, by servers, by nobody."""

import threading
import time
from types import SimpleNamespace

import pytest

from clocksync.chronyd import Tracking
from clocksync.kernel_clock import UNSYNCHRONISED_NS
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND
from clocksync.serve import Server
from vsync.node import timeptp, timesource
from vsync.node.clock import GivenClock
from vsync.node.timeservers import Servers
from vsync.node.timesource import Chronyd, bound_now, opened, servers_of

SOON_S = 30.0


@pytest.mark.parametrize(
    "said", ["", ",", "a,,b", "a b", "chronyd,ntp1", "nts://a", "a,a", "a:0", "ptp://a"]
)
def test_what_is_no_source_is_refused_in_one_line(said):
    with pytest.raises(BadConfig) as refused:
        servers_of(said)
    assert "\n" not in str(refused.value)


def tracking(offset_ns=0, dispersion_ns=1_000):
    return Tracking("7F7F0101", 3, offset_ns, 0, dispersion_ns, "Normal")


class Daemon:
    """A chronyd that says what it is told to say."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_chronyds_bound_lies_around_the_clock_and_grows_while_it_is_silent():
    notes = []
    gone = NotSynchronised("chronyd does not answer: timed out")
    source = Chronyd(notes.append, Daemon(tracking(-40_000), gone, gone, tracking(0, 2_000)))
    before = time.time_ns()
    interval = source.now()
    assert before - interval.error <= interval.middle <= time.time_ns()
    assert 41_000 <= interval.error < SECOND  # the correction under way is part of it
    assert source.at(before) == before
    source.renew()
    source.renew()
    assert source.now().error >= interval.error
    assert source.state == "chronyd does not answer: timed out"
    assert len(notes) == 1
    source.renew()
    assert (source.state, notes[1]) == ("synchronised", "time source chronyd: synchronised")


def test_a_chronyd_that_has_no_time_yet_is_waited_for_and_none_at_all_is_not():
    notes = []
    early = NotSynchronised("chronyd runs, but is not synchronised to anything yet")
    source = Chronyd(notes.append, Daemon(early, early, tracking()))
    assert source.now().error == UNSYNCHRONISED_NS
    source.renew()
    assert len(notes) == 1
    source.renew()
    assert source.now().error < SECOND
    with pytest.raises(BadConfig, match="chronyc is not installed; start chronyd"):
        Chronyd(notes.append, Daemon(NotSynchronised("chronyc is not installed")))


def test_of_none_nothing_is_known_and_the_kernel_speaks_for_itself():
    with opened("none", pytest.fail) as source:
        clock = GivenClock(source)
        assert clock.read(0).error == UNSYNCHRONISED_NS == bound_now("none")
        assert (clock.source, clock.state) == ("none", "nothing is known")
        assert clock.tell(5) == 5
    with opened("kernel", pytest.fail) as source:
        assert source is None
    assert 0 < bound_now("kernel") <= UNSYNCHRONISED_NS
    assert bound_now("127.0.0.1:9") is None


@pytest.mark.slow
def test_servers_are_followed_whatever_the_systems_clock_shows():
    """A server that is an hour ahead: the source is, too, and the system's clock is left alone."""
    ahead = SoftwareClock(SystemClock(), 3600 * SECOND)
    with Server(ahead, port=0) as server, opened(f"127.0.0.1:{server.address[1]}", print) as source:
        clock = GivenClock(source)
        ends = time.monotonic() + SOON_S
        while clock.read(0).error >= SECOND:
            assert time.monotonic() < ends, "it never locked"
            time.sleep(0.05)
        before, interval, after = ahead.read(), clock.read(0), ahead.read()
        assert interval.earliest <= after
        assert before <= interval.latest
        assert abs(clock.tell(time.time_ns()) - interval.middle) < SECOND
        assert source.state in ("stepping", "locked")
    assert not [one for one in threading.enumerate() if one.name == "vsync-time"]


def test_servers_that_were_not_heard_yet_leave_the_time_unknown():
    source = Servers(["127.0.0.1:9"], pytest.fail)
    clock = GivenClock(source)
    assert clock.read(0).error == UNSYNCHRONISED_NS
    assert (clock.source, clock.state) == ("127.0.0.1:9", "unlocked")
    source.close()


def test_a_ptp_master_is_measured_again_and_again_and_its_loss_is_told(monkeypatch):
    """Measured, lost, measured again: the bound holds and grows, and each change is one line."""
    monkeypatch.setattr(timeptp, "REST_S", 0.02)
    notes, outcomes = [], [None, NotSynchronised("no master"), None]
    asked = threading.Event()

    async def ask(hosts):
        assert hosts == ["ptp://10.0.0.1%eth0"]
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if len(notes) == 2:
            asked.set()
        if outcome is not None:
            raise outcome
        offset = Interval.around(3600 * SECOND, 1_000)
        return SimpleNamespace(
            combined=SimpleNamespace(interval=offset), end=None, measured_at_ns=time.time_ns()
        )

    source = timeptp.Masters(["ptp://10.0.0.1%eth0"], notes.append, ask)
    clock = GivenClock(source)
    assert (clock.source, clock.state) == ("ptp://10.0.0.1%eth0", "not measured yet")
    assert clock.read(0).error == UNSYNCHRONISED_NS
    assert abs(clock.tell(5) - 5) < SECOND // 10
    source.start()
    assert asked.wait(SOON_S)
    interval = clock.read(0)
    assert time.time_ns() + 3599 * SECOND < interval.middle < time.time_ns() + 3601 * SECOND
    assert 1_000 <= interval.error < SECOND
    assert abs(clock.tell(time.time_ns()) - clock.read(0).middle) < SECOND // 10
    source.close()
    name = "time source ptp://10.0.0.1%eth0"
    told = [f"{name}: no master; the bound grows until it is measured", f"{name}: measured"]
    assert notes == told
    assert not [one for one in threading.enumerate() if one.name == "vsync-ptp"]


def test_a_source_that_cannot_work_is_told_by_the_commands(monkeypatch, tmp_path, capsys):
    import sys

    from vsync.cli import main

    def none(*_):
        raise NotSynchronised("chronyc is not installed")

    monkeypatch.setattr(timesource.Chronyd.__init__, "__defaults__", (none,))
    plain = ["--id=1", "--listen=127.0.0.1:0", "--insecure-plaintext", "--status-socket=none"]
    for said, told in (
        ("chronyd", "time source chronyd: chronyc is not installed; start chronyd"),
        ("a b", "'a b' is no host name"),
    ):
        monkeypatch.setattr(sys, "argv", ["vsync", "join", "g", *plain, f"--time-source={said}"])
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = capsys.readouterr()
        assert (ended.value.code, out, len(err.splitlines())) == (2, "", 1)
        assert told in err
    path = tmp_path / "g.toml"
    path.write_text(
        'group = "g"\nid = 1\nlisten = "127.0.0.1:9"\ninsecure_plaintext = true\n'
        'time_source = "chronyd"\n[peers]\n2 = "127.0.0.1:8"\n'
    )
    monkeypatch.setattr(sys, "argv", ["vsync", "check-config", str(path)])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 1
    assert "chronyc is not installed" in capsys.readouterr().err
