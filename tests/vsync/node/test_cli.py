"""``vsync join`` as a command: what it says and how it ends."""

import json
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.vsync.node.loopback import free_ports

pytestmark = pytest.mark.slow
JOIN = (sys.executable, "-m", "vsync", "join", "test")
PLAIN = "--insecure-plaintext"


def run(*arguments, **options):
    return subprocess.run(
        [*JOIN, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--id=1", "--listen=127.0.0.1:0"), "--insecure-plaintext"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--peer=x"), "--peer 'x': write it as ID="),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--peer=2=nowhere"), "'nowhere' is no address"),
        (("--id=0", "--listen=127.0.0.1:0", PLAIN), "--id 0 is not in 1 to"),
        (("--id=1", "--listen=127.0.0.1:99999", PLAIN), "a port lies in 0 to 65535"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--rate=-1"), "--rate -1"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--mtu=99999"), "--mtu 99999 is not in 576"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--duration=0"), "--duration 0"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--size=-5"), "--size -5"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--mtu=90"), "--mtu"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--token-timeout=x"), "is no duration"),
        (("--id=1", "--listen=127.0.0.1:0", PLAIN, "--history=/nowhere/x"), "/nowhere/x"),
        (("--listen=127.0.0.1:0", PLAIN), "--id"),
    ],
)
def test_bad_usage_is_one_line_and_two(arguments, says):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


def test_a_port_in_use_is_named():
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{holder.getsockname()[1]}"
        done = run("--id=1", f"--listen={where}", PLAIN, "--duration=0.1", "--json")
    assert done.returncode == 2
    assert done.stderr == f"vsync: --listen {where}: address already in use\n"


def test_what_is_typed_is_multicast_and_what_happens_is_told():
    done = run("--id=7", "--listen=127.0.0.1:0", PLAIN, input="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("-- configuration R1.7.")
    assert [line.rpartition(" ")[2] for line in lines[1:3]] == ["one", "two"]
    assert lines[-1] == "left: 2 submitted, 2 delivered"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_cleanly_and_the_last_line_is_the_result(number, tmp_path):
    ports = free_ports(2)
    at = [f"127.0.0.1:{port}" for port in ports]
    common = [PLAIN, "--json", "--rate=500", "--size=100"]
    histories = [tmp_path / f"{me}.jsonl" for me in (1, 2)]
    started = [
        subprocess.Popen(
            [
                *JOIN,
                f"--id={me}",
                f"--listen={at[me - 1]}",
                f"--peer={3 - me}={at[2 - me]}",
                f"--history={histories[me - 1]}",
                *common,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in (1, 2)
    ]
    ends = time.monotonic() + 60
    while not all(
        path.exists() and path.read_text().count('"deliver"') > 300 for path in histories
    ):
        assert time.monotonic() < ends
        time.sleep(0.05)
    told = {}
    for me, process in enumerate(started, 1):
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        told[me] = json.loads(out.splitlines()[-1])
    assert {one["schema"] for one in told.values()} == {"vsync.join/1"}
    assert [one["id"] for one in told.values()] == [1, 2]
    assert all(one["submitted"] > 100 for one in told.values())
    assert all(one["delivered"] >= one["submitted"] for one in told.values())
    assert all(set(one["digests"]) == set(one["configurations"]) for one in told.values())
    shared = set(told[1]["configurations"]) & set(told[2]["configurations"])
    assert any(name.startswith("R") for name in shared)


def test_killing_the_command_ends_all_of_it_at_once():
    (port,) = free_ports(1)
    command = [*JOIN, "--id=1", f"--listen=127.0.0.1:{port}", PLAIN, "--duration=0.1", "--json"]
    held = subprocess.Popen([*command[:-2], "--json"], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    held.kill()
    held.wait(timeout=30)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
