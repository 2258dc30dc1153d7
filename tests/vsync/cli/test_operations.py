"""``vsync join --config``, ``vsync status`` and ``vsync check-config`` as commands."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from clocksync.security import keys
from tests.commands import command
from tests.vsync.node.loopback import free_ports
from vsync.node.joining import join

pytestmark = pytest.mark.slow
ENDS_S = 60
ROOT = Path(__file__).parents[3]


vsync = command("vsync")


@pytest.fixture
def places(monkeypatch, tmp_path):
    """No member of this machine is seen but those of the test."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr("vsync.node.status.default_folder", lambda: folder)
    monkeypatch.setattr("vsync.node.status.folders", lambda: [folder])
    return folder


def good(folder, more=""):
    """Settings of a member that can start, and more lines."""
    (port,) = free_ports(1)
    keys.generate(folder / "key")
    path = folder / "group.toml"
    path.write_text(
        f'group = "orders"\nid = 1\nlisten = "127.0.0.1:{port}"\nkey_file = "{folder}/key"\n' + more
    )
    return path


@contextmanager
def running(*arguments, **options):
    """A member in a process of its own; killed if it did not end."""
    with subprocess.Popen(
        [sys.executable, "-m", "vsync", "join", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def appears(path):
    ends = time.monotonic() + ENDS_S
    while not path.exists():
        assert time.monotonic() < ends, f"{path} never came"
        time.sleep(0.02)


def alone(where, group="orders", me=1):
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    return join(group, id=me, listen=listen, peers={}, insecure_plaintext=True, status=where)


# vsync status


def test_a_member_is_shown_by_group_by_name_and_by_socket(vsync, places):
    with alone(places) as group:
        group.deliver(b"x")
        for arguments in (("orders",), ("orders-1",), ("--socket", places / "orders-1.sock")):
            code, out, err = vsync("status", *arguments)
            assert (code, err) == (0, "")
            assert out.startswith(f"orders, member 1 (process {os.getpid()}, version ")
            assert "state           operational\n" in out
            assert "protection      NONE: plaintext\n" in out
            assert re.search(r"ago  operational \(nobody answered\)", out)


def test_locks_are_told_with_their_holder(vsync, places):
    with alone(places) as group, group.locks("stock").lock("till"):
        deadline = time.monotonic() + 20
        while "till" not in (out := vsync("status", "orders")[1]):
            assert time.monotonic() < deadline, out
    assert "locks           till (stock) held by member 1\n" in out


def test_json_is_one_object_of_the_documented_keys(vsync, places):
    with alone(places):
        code, out, _ = vsync("status", "orders", "--json")
    told = json.loads(out)
    assert code in (0, 1)
    assert told["schema"] == "vsync.status/1"
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    missing = [key for key in told if f"| `{key}` |" not in page]
    assert not missing, f"docs/operations.md does not explain {missing}"


def test_all_members_are_listed_and_a_dead_one_is_told(vsync, places):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(places / "gone-4.sock"))
    (places / "else").write_text("")
    with alone(places), alone(places, me=2), alone(places, group="a/b"):
        code, out, err = vsync("status")
        rows = [line.split()[:2] for line in out.splitlines()]
        assert code == 0
        assert rows[1:] == [["a/b", "1"], ["gone", "4"], ["orders", "1"], ["orders", "2"]]
        assert len(err.splitlines()) == 1
        assert "the member was killed" in err
        code, out, _ = vsync("status", "--json")
        assert json.loads(out)["schema"] == "vsync.members/1"
        assert len(json.loads(out)["members"]) == 4
        code, out, err = vsync("status", "orders")
        assert (code, out) == (2, "")
        assert err == "vsync: orders has several members here: name one of orders-1, orders-2\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "no member runs here"), (("orders",), "no member of orders runs here")],
)
def test_nobody_is_one_line_and_two(vsync, places, arguments, says):
    code, out, err = vsync("status", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_another_member_is_named_where_the_one_asked_for_is_not(vsync, places):
    with alone(places):
        code, _, err = vsync("status", "ordres")
    assert code == 2
    assert err == "vsync: no member of ordres runs here; there are: orders-1\n"


def test_a_stale_socket_is_one_line_and_two(vsync, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(tmp_path / "s"))
    code, out, err = vsync("status", "--socket", tmp_path / "s")
    assert (code, out) == (2, "")
    assert "nobody listens there any more" in err
    assert len(err.splitlines()) == 1


# vsync join --config


def test_members_join_by_a_file_and_tell_how_they_are(vsync, tmp_path):
    ports = free_ports(2)
    peers = {str(n): f"127.0.0.1:{port}" for n, port in enumerate(ports, 1)}
    keys.generate(tmp_path / "key")
    settings = tmp_path / "group.toml"
    settings.write_text(
        'group = "orders"\npreset = "loopback"\n'
        f'key_file = "{tmp_path}/key"\nstatus_socket = "{tmp_path}/run/"\n[peers]\n'
        + "".join(f'{n} = "{at}"\n' for n, at in peers.items())
    )
    common = ("--config", settings, "--rate", 200, "--json")
    environment = {**os.environ, "VSYNC_ID": "2"}
    with (
        running(*common, "--id", 1, "--listen", peers["1"]) as one,
        running(*common, "--listen", peers["2"], env=environment) as two,
    ):
        sockets = [tmp_path / "run" / f"orders-{n}.sock" for n in (1, 2)]
        ends = time.monotonic() + ENDS_S
        for path in sockets:
            appears(path)
            while True:
                code, out, err = vsync("status", "--json", "--socket", path)
                told = json.loads(out) if code in (0, 1) and out else {}
                if told and told["ring"]["members"] == [1, 2] and code == 0:
                    break
                ended = [each.communicate() for each in (one, two) if each.poll() is not None]
                assert not ended
                assert time.monotonic() < ends, err
        assert told["encrypted"] is True
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=ENDS_S)
            assert (process.returncode, err) == (0, "")
            assert json.loads(out.splitlines()[-1])["delivered"] > 0
        assert not any(path.exists() for path in sockets)


def test_a_service_without_input_stays_until_it_is_told_to_leave(tmp_path):
    place = tmp_path / "s"
    settings = good(tmp_path, f'status_socket = "{place}"\n')
    with running("--config", settings) as process:
        appears(place)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("left: 0 submitted, 0 delivered\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--config", "no-such.toml"), "no-such.toml: No such file"),
        (("--config", "bad.toml"), "bad.toml: grp is no key: did you mean group?"),
        (("--config", "bare.toml"), "--id is missing: this member's number, its own in the group"),
        (("--config", "bare.toml", "--id", "hostname"), "--listen is missing"),
        (("--config", "bare.toml", "--id=1", "--listen=127.0.0.1:0"), "no key: make one with"),
        ((), "a group needs a name"),
        (("g", "--id=1", "--listen=127.0.0.1:0", "--preset=x"), "--preset x: there are loopback"),
        (("g", "--id=1", "--listen=a:0", "--metrics=x"), "'x' is no address"),
        (("g", "--id=1", "--listen=a:0", "--peer=2=b c:1"), "'b c' is no address and no name"),
        (("g", "--id=1", "--listen=a:0", "--peer=2=10.0.0.300:1"), "'10.0.0.300' is no address"),
        (("g", "--id=1", "--listen=a:0", "--wait-for-peers=x"), "--wait-for-peers: 'x' is no"),
        (("g", "--id=1", "--listen=a:0", "--wait-for-peers=-1s"), "--wait-for-peers -1s: at least"),
    ],
)
def test_bad_settings_are_one_line_and_two(vsync, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VSYNC_ID", raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "vsync-1")
    (tmp_path / "bad.toml").write_text("grp = 1")
    (tmp_path / "bare.toml").write_text('group = "g"')
    code, out, err = vsync("join", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_member_starts_without_those_whose_names_do_not_resolve(vsync, tmp_path):
    plain = ("--id=1", f"--listen=127.0.0.1:{free_ports(1)[0]}", "--insecure-plaintext")
    peers = ("--peer=2=no-such-host.invalid:5410", "--duration=0.3", "--json")
    told = "vsync: no IPv4 address is known for no-such-host.invalid: member 2 is looked for until"
    for more in ((), ("--wait-for-peers=50ms",)):
        code, out, err = vsync("join", "g", *plain, *peers, *more, "--status-socket=none")
        assert code == 0
        assert json.loads(out)["configurations"]
        lines = err.splitlines()
        assert lines[-1].startswith(told)
        if more:
            assert lines[0] == "vsync: waiting up to 50.0 ms for no-such-host.invalid to resolve"


# vsync check-config


def test_a_good_file_is_shown_with_every_setting_and_no_secret(vsync, tmp_path):
    settings = good(tmp_path, "[peers]\n2 = '127.0.0.1:9'\n[ring]\ntoken_hold = '20ms'\n")
    code, out, err = vsync("check-config", settings)
    assert (code, err) == (0, "")
    told = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert told["group"].strip() == "orders"
    assert told["peers.2"].strip() == "127.0.0.1:9"
    assert told["ring.token_hold"].strip() == "20ms"
    assert out.endswith(" is good\n")
    assert keys.read(tmp_path / "key").keys[0].secret.hex() not in out
    code, out, _ = vsync("check-config", settings, "--json", "--id", 7)
    told = json.loads(out)
    assert (code, told["schema"], told["problems"]) == (0, "vsync.config/1", [])
    assert told["settings"]["id"] == "7"


def bad_key(folder):
    (folder / "key").chmod(0o644)


def no_key(folder):
    (folder / "key").unlink()


def nothing(folder):
    del folder


@pytest.mark.parametrize(
    ("more", "spoil", "says"),
    [
        ("", bad_key, "key_file: "),
        ("", no_key, "key_file: "),
        ("[peers]\n2 = 'no-such-host.invalid:1'", nothing, "peers.2: no-such-host.invalid cannot"),
        ("[peers]\n2 = '[::1]:1'", nothing, "not of one family"),
        ("history = '/no-such-folder/h'", nothing, "history: /no-such-folder is no folder"),
        ("grop = 1", nothing, "did you mean group?"),
        ("x = ", nothing, "is no TOML"),
        ("mtu = 1", nothing, "mtu = 1: allowed is 576 to 65000"),
    ],
)
def test_what_is_bad_in_a_file_is_told_with_one(vsync, tmp_path, more, spoil, says):
    settings = good(tmp_path, more)
    spoil(tmp_path)
    code, _, err = vsync("check-config", settings)
    assert code == 1
    assert says in err
    assert all(line.startswith("vsync: ") for line in err.splitlines())


@pytest.mark.parametrize("raw", [None, b"\xff", b"#" * ((1 << 20) + 1)])
def test_what_cannot_be_read_is_not_good(vsync, tmp_path, raw):
    path = tmp_path / "f"
    if raw is not None:
        path.write_bytes(raw)
    code, out, err = vsync("check-config", path)
    assert (code, out) == (2 if raw is None else 1, "")
    assert len(err.splitlines()) == 1
    assert str(path) in err


# metrics


def test_metrics_are_served_by_http(tmp_path):
    pytest.importorskip("prometheus_client", reason="the extra metrics is not installed")
    from urllib.request import urlopen

    from vsync.node.metrics import METRICS, Counted, serving

    joining = alone(tmp_path)
    with joining as group:
        group.deliver(b"x")
        counted = Counted(1, 2, 3)
        with (
            serving(("127.0.0.1", 0), joining.observer, lambda: counted) as port,
            urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ENDS_S) as answer,
        ):
            text = answer.read().decode()
    for metric in METRICS:
        assert metric.name == "vsync_dropped_total" or f"# TYPE {metric.name}" in text
    assert 'vsync_delivered_total{group="orders",member="1"} 2.0' in text
    assert 'vsync_state{group="orders",member="1",state="operational"} 1.0' in text


def test_metrics_without_the_extra_say_how_to_get_it(vsync, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    code, out, err = vsync(
        "join", "g", "--id=1", "--listen=127.0.0.1:0", "--insecure-plaintext", "--metrics=0"
    )
    assert (code, out) == (2, "")
    assert err == "vsync: prometheus-client is not installed: pip install 'clocksync[metrics]'\n"
