"""``vsync locks --bench``: what it says is what was counted, both ways."""

import json
import shutil
import subprocess
import sys
import time

import pytest

from tests.vsync.bench.test_bench import names
from vsync.bench.hosts import places, why_no_namespaces
from vsync.bench.lockrun import Plan, Row, measure, ratios
from vsync.cli.locks import explained

pytestmark = pytest.mark.slow
LOCKS = (sys.executable, "-m", "vsync", "locks")
why_no_delay = why_no_namespaces() or ("" if shutil.which("ethtool") else "there is no ethtool")


def run(*arguments):
    return subprocess.run(
        [*LOCKS, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


def test_both_ways_are_measured_under_every_load():
    done = run("--bench", "--seconds=0.2", "--outstanding=1,8", "--delay=0", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["schema"], told["members"], told["encrypted"]) == ("vsync.locks/1", 3, True)
    loads = [(row["way"], row["outstanding"], row["pipelined"]) for row in told["rows"]]
    assert len(loads) == len(set(loads)) == 3 * 2 * 2
    for row in told["rows"]:
        assert row["locks_per_second"] > 20
        assert 0 < row["latency_us"]["p50"] <= row["latency_us"]["p99"]
        assert (row["locks_per_frame"] > 0) == (row["way"] != "server")
    assert len(told["ratios"]) == 4


@pytest.mark.skipif(bool(why_no_delay), reason=why_no_delay)
def test_a_delay_is_kept_both_ways_and_nothing_is_left_behind():
    before = names()
    rows, _ = measure(Plan(seconds=0.2, outstanding=(1,), delays_us=(2000,)))
    assert {row.way for row in rows} == {"server", "agreed", "safe"}
    assert all(row.latency_us["p50"] >= 4000 for row in rows)
    assert not names() - before


@pytest.mark.skipif(bool(why_no_delay), reason=why_no_delay)
def test_a_switch_carries_anything_between_hosts_and_takes_its_time():
    with places(2, 1500, offload=True, delay_us=3000) as found:
        one, other = found.places
        serve = "import socket; s = socket.create_server(('10.67.0.2', 9)); print(flush=True);"
        serve += "c, _ = s.accept(); c.sendall(c.recv(99))"
        server = subprocess.Popen(
            [*other.prefix, sys.executable, "-c", serve], stdout=subprocess.PIPE
        )
        server.stdout.readline()
        ask = "import socket; c = socket.create_connection(('10.67.0.2', 9), 5);"
        ask += "c.sendall(b'hello'); print(c.recv(99))"
        began = time.monotonic()
        asked = subprocess.run(
            [*one.prefix, sys.executable, "-c", ask], capture_output=True, check=True, timeout=30
        )
        assert asked.stdout == b"b'hello'\n"
        assert time.monotonic() - began > 4 * 0.003
        server.communicate(timeout=10)


def test_in_words():
    done = run("--bench", "--seconds=0.2", "--outstanding=1", "--delay=0", "--insecure-plaintext")
    assert (done.returncode, done.stderr) == (0, "")
    said = " ".join(done.stdout.split())
    for words in ("the ring is not protected", "client and server", "ring, SAFE", "SAFE costs"):
        assert words in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say --bench"),
        (("--bench", "--members=1"), "--members 1 is not in 2 to 16"),
        (("--bench", "--seconds=0"), "--seconds 0 is not in"),
        (("--bench", "--outstanding=1,x"), "--outstanding '1,x': numbers"),
        (("--bench", "--outstanding=0"), "--outstanding '0': numbers"),
        (("--bench", "--delay=soon"), "--delay:"),
        (("--bench", "--delay=2s"), "--delay 2s is not in 0 to 1s"),
        (("--bench", "--mtu=100"), "--mtu 100 is not in"),
    ],
)
def test_bad_usage_is_one_line_and_two(arguments, says):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def row(way, rate, outstanding=1, **more):
    given = {
        "way": way,
        "delay_us": 0,
        "outstanding": outstanding,
        "pipelined": True,
        "locks_per_second": rate,
        "latency_us": {"p50": 10.0, "p99": 20.0},
        "busiest_cpu_percent": 50.0,
        "locks_per_frame": 4.0,
        "look_ns": 100.0,
    }
    return Row(**(given | more))


def test_ratios_and_words_follow_from_the_rows():
    rows = [row("server", 100.0), row("agreed", 300.0), row("safe", 150.0)]
    (ratio,) = ratios(rows)
    assert (ratio.agreed, ratio.safe, ratio.safe_costs) == (3.0, 1.5, 0.5)
    said = "\n".join(explained(rows))
    assert "one frame of the ring carries 4 locks" in said
    assert "SAFE costs   50 to 50 %" in said
