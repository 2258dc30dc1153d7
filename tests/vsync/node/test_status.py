"""Asking a member how it is: what it answers, and what cannot disturb it."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import threading

import pytest

from clocksync.runtime.errors import BadConfig
from tests.vsync.node.loopback import blocking, free_ports, together
from vsync.events import Moved
from vsync.node import status
from vsync.node.joining import join
from vsync.node.metrics import METRICS, Counted, samples
from vsync.node.observing import Changes, NoAnswer, Observer, Rotation
from vsync.states import Cause, State

pytestmark = pytest.mark.slow


def alone(where, **more):
    (port,) = free_ports(1)
    plain = {"insecure_plaintext": "key" not in more}
    listen = f"127.0.0.1:{port}"
    return join("orders", id=1, listen=listen, peers={}, status=where, **(plain | more))


def test_members_on_one_ring_tell_the_same_of_it(tmp_path):
    async def program():
        async with together(3, status=tmp_path) as groups:
            await groups[0].deliver(b"hello")
            paths = [tmp_path / f"test-{group.id}.sock" for group in groups]
            told = [await asyncio.to_thread(status.ask, path) for path in paths]
        assert [one["id"] for one in told] == [1, 2, 3]
        assert {one["schema"] for one in told} == {"vsync.status/1"}
        assert {one["ring"]["id"] for one in told} == {told[0]["ring"]["id"]}
        assert all(one["ring"]["members"] == [1, 2, 3] for one in told)
        assert all(one["configuration"]["members"] == [1, 2, 3] for one in told)
        assert all(one["state"] == "operational" for one in told)
        assert all(one["rotations"] > 0 for one in told)
        assert all(one["encrypted"] is False for one in told)
        assert all(one["transport"].startswith("unicast (") for one in told)
        assert all(one["datagrams"]["sent"] > 0 < one["datagrams"]["received"] for one in told)
        assert told[0]["accepted"]["messages"] >= 1
        assert all(one["changes"][-1]["to"] == "operational" for one in told)
        ages = [change["age_ns"] for change in told[0]["changes"]]
        assert ages == sorted(ages, reverse=True)
        assert not any(path.exists() for path in paths)

    asyncio.run(program())


def test_who_holds_a_lock_and_who_waits_is_told(tmp_path):
    async def program():
        async with together(2, status=tmp_path) as groups:
            path = tmp_path / "test-2.sock"
            assert (await asyncio.to_thread(status.ask, path))["locks"] is None
            first, second = [await group.locks() for group in groups]
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, first.lock("till"):
                tasks.create_task(second.acquire_many(["till"]))
                told = None
                while not (told and told[0]["waiting"]):
                    told = (await asyncio.to_thread(status.ask, path))["locks"]
        held = {"service": "locks", "name": "till", "holder": 1, "waiting": [2]}
        assert told == [held]

    asyncio.run(program())


def test_a_program_without_asyncio_tells_of_its_locks_too(tmp_path):
    with alone(tmp_path / "s") as group, group.locks().lock("till"):
        told = status.ask(tmp_path / "s")["locks"]
    assert told == [{"service": "locks", "name": "till", "holder": 1, "waiting": []}]


def test_it_is_told_to_the_owner_only_and_is_gone_afterwards(tmp_path):
    path = tmp_path / "s"
    with alone(path):
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert status.ask(path)["group"] == "orders"
    assert not path.exists()
    with pytest.raises(status.NoStatus, match="no such socket"):
        status.ask(path)


def test_a_member_with_a_key_says_so_and_never_the_key(tmp_path):
    from clocksync.security import keys

    ring = keys.generate(tmp_path / "key")
    with alone(tmp_path / "s", key=tmp_path / "key"):
        told = status.ask(tmp_path / "s")
    assert told["encrypted"] is True
    assert ring.keys[0].secret.hex() not in json.dumps(told)


def test_who_sends_rubbish_or_does_not_read_holds_nobody_up_for_long(tmp_path):
    path = tmp_path / "s"
    with alone(path), socket.socket(socket.AF_UNIX) as rude, socket.socket(socket.AF_UNIX) as mute:
        for each in (rude, mute):
            each.connect(os.fspath(path))
        with contextlib.suppress(BrokenPipeError):  # told to go before all of it was sent
            rude.sendall(b"x" * 1000)
        assert status.ask(path)["id"] == 1
        with socket.socket(socket.AF_UNIX) as gone:
            gone.connect(os.fspath(path))
        assert status.ask(path)["id"] == 1


def test_a_socket_that_a_killed_process_left_is_replaced_and_one_in_use_is_not(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    with pytest.raises(status.NoStatus, match="the member was killed"):
        status.ask(path)
    with alone(path):
        assert status.ask(path)["id"] == 1
        with pytest.raises(BadConfig, match="is in use"), alone(path):
            pass
        assert status.ask(path)["id"] == 1


def test_what_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "letter"
    path.write_text("dear")
    with pytest.raises(BadConfig, match="is there and no socket"), alone(path):
        pass
    assert path.read_text() == "dear"
    with pytest.raises(BadConfig, match="no-such"), alone(tmp_path / "no-such" / "s"):
        pass
    with pytest.raises(BadConfig, match="longer than"), alone(tmp_path / ("x" * 120)):
        pass


def test_where_the_socket_is_only_wished_for_the_member_goes_without(tmp_path):
    joining = alone(tmp_path / "no-such" / "s")
    joining.status_must_be = False
    with joining as group:
        assert group.deliver(b"x").payload == b"x"


def test_a_member_that_ended_says_so(tmp_path):
    with blocking(1, status=tmp_path) as (group,):
        group.leave(10)
        with pytest.raises(status.NoStatus, match="the member has ended"):
            status.ask(tmp_path / "test-1.sock")


def test_a_ring_that_is_stuck_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("vsync.node.observing.PATIENCE_S", 0.05)
    free = threading.Event()
    with alone(tmp_path / "s") as group:
        group.loop.post(free.wait)
        with pytest.raises(status.NoStatus, match="did not answer"):
            status.ask(tmp_path / "s")
        free.set()


def test_an_error_while_gathering_does_not_end_the_ring(tmp_path, monkeypatch):
    def broken(self):
        raise RuntimeError("planted")

    with alone(tmp_path / "s") as group:
        with monkeypatch.context() as patched:
            patched.setattr(Observer, "_gather", broken)
            with pytest.raises(status.NoStatus, match="planted"):
                status.ask(tmp_path / "s")
        assert group.deliver(b"x").payload == b"x"
        assert status.ask(tmp_path / "s")["id"] == 1


def answering(path, raw):
    """Somebody else at the socket, who says this to one caller."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.fspath(path))
    sock.listen()

    def run():
        asking, _ = sock.accept()
        with asking, sock:
            asking.sendall(raw)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 400 Bad\r\n", b"[1]", b"{}", b'{"schema": "x"}', b"[" * 50_000, b"\xff"]
)
def test_what_is_no_answer_of_a_member_is_one_line(tmp_path, raw):
    thread = answering(tmp_path / "s", raw)
    with pytest.raises(status.NoStatus, match="no vsync member answers there"):
        status.ask(tmp_path / "s")
    thread.join()


@pytest.mark.parametrize("group", ["orders", "a/b", "../../etc/x", ".", "é" * 30, "x" * 300, "\0"])
def test_any_group_has_a_file_name_of_its_own(group):
    name = status.socket_name(group, 65_534)
    assert "/" not in name
    assert "\0" not in name
    assert len(name) < 60
    assert name.startswith(".") == group.startswith(".")
    assert name != status.socket_name(group + "x", 65_534)


def test_a_folder_that_others_can_change_is_refused(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(BadConfig, match="can be changed by others"):
        status.private_folder(folder)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(BadConfig, match="is no folder"):
        status.private_folder(link)
    made = status.private_folder(tmp_path / "new")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_the_rotation_time_is_an_average_of_samples():
    rotation = Rotation(0, 0)
    rotation.sample(1_000_000_000, 1000)
    assert rotation.average_ns == 1_000_000
    rotation.sample(2_000_000_000, 3000)
    assert 500_000 < rotation.average_ns < 1_000_000
    rotation.sample(2_000_000_000, 3000)  # no time passed: nothing is known anew
    assert rotation.average_ns is not None
    rotation.sample(3_000_000_000, 3000)
    assert rotation.average_ns is None


def test_the_last_twenty_changes_keep_their_ages():
    changes = Changes()
    for _ in range(30):
        changes.append(Moved(State.GATHER, State.COMMIT, Cause.CONSENSUS_REACHED))
    aged = changes.aged(1 << 62)
    assert len(aged) == 20
    assert aged[0]["to"] == "commit"
    assert aged[0]["cause"] == "everybody agreed on the members"


def test_metrics_say_what_the_member_says(tmp_path):
    joining = alone(tmp_path / "s")
    with joining as group:
        group.deliver(b"x")
        found = {name: value for name, _, value in samples(joining.observer, Counted(7, 8, 9))}
    assert found["vsync_up"] == 1
    assert found["vsync_members"] == 1
    assert found["vsync_submitted_total"] == 7
    assert found["vsync_delivered_total"] == 8
    assert found["vsync_configurations_total"] == 9
    declared = {metric.name for metric in METRICS}
    assert set(found) <= declared
    assert declared - set(found) <= {"vsync_dropped_total"}
    assert list(samples(joining.observer, Counted(0, 0, 0))) == [("vsync_up", {}, 0)]
    with pytest.raises(NoAnswer):
        joining.observer.look()
