"""``vsync bench``: what it says is what was counted. (How fast is a matter for benchmarks/.)"""

import json
import os
import subprocess
import sys

import pytest

from vsync.bench.hosts import why_no_namespaces
from vsync.bench.processes import BenchFailed
from vsync.bench.run import Plan, measure

pytestmark = pytest.mark.slow
BENCH = (sys.executable, "-m", "vsync", "bench", "--insecure-plaintext")


def run(*arguments):
    return subprocess.run(
        [*BENCH, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


def test_a_group_is_measured_and_everybody_gets_a_share():
    done = run("--seconds=0.5", "--json", "--size=100")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["schema"] == "vsync.bench/1"
    assert told["messages_per_second"] > 100
    assert told["bytes_per_second"] == pytest.approx(100 * told["messages_per_second"], rel=1e-3)
    assert len(told["shares"]) == len(told["cpu_percent"]) == told["members"] == 3
    assert sum(told["shares"]) == pytest.approx(1, abs=0.01)
    assert min(told["shares"]) > 0.2
    assert 0 < told["latency_us"]["p50"] <= told["latency_us"]["p99"]
    assert told["encrypted"] is False
    assert bool(told["loopback"]) == bool(why_no_namespaces())


def test_one_sender_one_message_at_a_time_in_words():
    done = run("--seconds=0.3", "--senders=1", "--outstanding=1", "--service=safe", "--members=2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 send 64 bytes safe, 1 on" in " ".join(done.stdout.split())
    assert "messages/s at every member" in done.stdout


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--members=0", "--members 0 is not in 1 to 64"),
        ("--senders=4", "--senders 4 is not in 1 to 3"),
        ("--seconds=0", "--seconds 0 is not in"),
        ("--size=-1", "--size -1 is not in"),
        ("--outstanding=-1", "--outstanding -1: at least 0"),
        ("--mtu=100", "--mtu 100 is not in"),
        ("--service=best", "--service"),
    ],
)
def test_bad_usage_is_one_line_and_two(argument, says):
    done = run(argument)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_member_that_fails_is_told_in_one_line():
    with pytest.raises(BenchFailed, match=r"a member ended early: .*frame_datagrams") as failed:
        measure(Plan(seconds=0.2, insecure_plaintext=True, config={"frame_datagrams": 999}))
    assert "\n" not in str(failed.value)


def names():
    """Of all namespaces and links that a benchmark in this process made."""
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True)
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True)
    found = {line.split()[0] for line in (listed.stdout + links.stdout).splitlines()}
    return {name for name in found if name.startswith(f"vb{os.getpid() % 100_000}x")}


@pytest.mark.skipif(bool(why_no_namespaces()), reason="needs network namespaces")
def test_nothing_is_left_behind():
    before = names()
    measure(Plan(seconds=0.2, members=2, senders=1, insecure_plaintext=True))
    assert not names() - before
