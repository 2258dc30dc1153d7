"""What the server of the page lets in and tells: headers, names, the log, the stream."""

import asyncio
import json
from importlib import resources

import httpx
import jsonschema
import pytest

from clocksync.dashboard.clocks import messages
from clocksync.dashboard.guard import is_ours
from clocksync.dashboard.log import BUNDLE, Log
from clocksync.dashboard.server import Board, Server, application, warning
from clocksync.measuring.result import HostResult, Verdict
from clocksync.runtime.errors import BadConfig
from clocksync.watching.alarms import Alarm, Cause, Change, Kind
from clocksync.watching.core import Report
from clocksync.watching.rows import Row

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/dashboard-1.json").read_text())
FILES = ("index.html", "main.js", "store.js", "style.css", "icon.svg")


def boot(node, at_s):
    return {"kind": "boot", "at_s": at_s, "node": node, "storage": "kept"}


def got(at_s):
    return {"kind": "got", "at_s": at_s, "node": 1}


def ask(path, host="127.0.0.1:8765", method="GET"):
    """The server's answer to one request."""

    async def request():
        transport = httpx.ASGITransport(application(Board("test", is_live=True)))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path)

    return asyncio.run(asyncio.wait_for(request(), 20))


def pieces(board, count):
    """The first pieces of a stream."""

    async def take():
        found = []
        stream = board.stream()
        async for piece in stream:
            found.append(json.loads(piece.removeprefix(b"data: ")))
            if len(found) == count:
                break
        await stream.aclose()
        return found

    return asyncio.run(asyncio.wait_for(take(), 20))


# The log


def test_a_reader_gets_everything_once() -> None:
    log = Log()
    log.extend(got(at) for at in range(5))
    told, cursor = log.since(0)
    assert [message["at_s"] for message in told] == [0, 1, 2, 3, 4]
    log.add(got(5))
    assert log.since(cursor) == ([got(5)], 6)


def test_a_late_reader_gets_the_state_that_forgotten_messages_left() -> None:
    log = Log(keep=2)
    log.extend([boot(1, 0), boot(2, 0), got(1), boot(1, 2), got(3), got(4)])
    told, _ = log.since(0)
    assert told == [boot(1, 2), boot(2, 0), got(3), got(4)]
    assert log.forgotten == 4


def test_however_much_is_told_the_log_keeps_a_bounded_part() -> None:
    log = Log(keep=100)
    log.extend(got(at) for at in range(10_000))
    assert len(log.since(0)[0]) == 100


def test_a_long_log_comes_in_pieces() -> None:
    log = Log()
    log.extend(got(at) for at in range(BUNDLE + 1))
    first, cursor = log.since(0)
    rest, end = log.since(cursor)
    assert (len(first), len(rest), end) == (BUNDLE, 1, log.end)


# The stream


def test_a_stream_says_hello_then_what_is_known_then_that_it_is_ready() -> None:
    board = Board("orders", is_live=False)
    board.log.add(boot(1, 0.5))
    hello, known = pieces(board, 2)
    assert hello[0]["title"] == "orders"
    assert [message["kind"] for message in known] == ["boot", "ready"]
    for piece in (hello, known):
        jsonschema.validate(piece, SCHEMA)


def test_a_live_stream_tells_the_time() -> None:
    board = Board("orders", is_live=True, now_s=lambda: 7.25)
    _, known = pieces(board, 2)
    assert {"kind": "now", "at_s": 7.25} in known


# Who is let in


@pytest.mark.parametrize("name", FILES)
def test_the_page_is_served_with_a_policy_that_loads_nothing_from_outside(name) -> None:
    answer = ask(f"/{name}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "access-control-allow-origin" not in answer.headers


def test_no_file_of_the_page_names_another_host() -> None:
    for path in resources.files("clocksync").joinpath("dashboard/page").iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path.name


@pytest.mark.parametrize(
    ("host", "names", "ours"),
    [
        ("127.0.0.1:8765", (), True),
        ("[::1]:8765", (), True),
        ("10.0.0.5", (), True),
        ("LOCALHOST:8765", (), True),
        ("localhost.:1", (), True),
        ("host1:8765", (), False),
        ("host1:8765", ("host1",), True),
        ("rebound.example:8765", ("host1",), False),
        ("127.0.0.1.rebound.example", (), False),
        ("[::1", (), False),
        ("", (), False),
    ],
)
def test_a_request_must_name_us(host, names, ours) -> None:
    assert is_ours(host, frozenset(names)) is ours


def test_another_name_is_refused_for_the_stream_too() -> None:
    for path in ("/", "/stream", "/main.js"):
        assert ask(path, "rebound.example").status_code == 421


@pytest.mark.parametrize("path", ["/..%2fserver.py", "/../server.py", "/%2e%2e/guard.py"])
def test_nothing_beside_the_page_is_served(path) -> None:
    assert ask(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(method) -> None:
    assert ask("/stream", method=method).status_code == 405
    assert ask("/", method=method).status_code == 405


def test_a_port_in_use_is_one_line() -> None:
    board = Board("test", is_live=True)
    first = Server(board, port=0)
    try:
        with pytest.raises(BadConfig, match=r"cannot be listened on.*--port"):
            Server(board, port=first.port)
    finally:
        first._sock.close()


def test_only_what_others_reach_is_warned_of() -> None:
    assert warning("127.0.0.1") is None
    assert warning("::1") is None
    assert "anybody" in (warning("0.0.0.0") or "")


# Clocks


def report(*rows, changes=()):
    return Report(1, 10**18, 2_500_000_000, rows, None, (), changes)


def host(name, verdict, **more):
    return HostResult(
        host=name, port=123, address="192.0.2.1", verdict=verdict, reason=None, **more
    )


def test_a_report_becomes_a_message_for_each_host_and_alarm() -> None:
    known = host("ntp1", Verdict.TRUECHIMER, offset_ns=1_500, error_bound_ns=2_000_000)
    silent = host("ntp2", Verdict.UNREACHABLE)
    alarm = Alarm(Cause("ntp2", Kind.SILENCE, "no answer to 3 requests"), 0)
    told = list(
        messages(
            report(
                Row(known, None, 255, 0, 10_000_000),
                Row(silent, None, 0, 3, None),
                changes=(Change(alarm, True, 10**18),),
            )
        )
    )
    jsonschema.validate(told, SCHEMA)
    assert [message["kind"] for message in told] == ["clock", "clock", "alarm"]
    assert (told[0]["offset_s"], told[0]["error_bound_s"]) == (1.5e-06, 0.002)
    assert (told[1]["offset_s"], told[1]["error_bound_s"]) == (None, None)
    assert told[2]["raised"]
