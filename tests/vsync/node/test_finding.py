"""Finding the other members: names that come late, and zeroconf."""

import socket
import sys
import threading

import pytest

from clocksync.runtime.errors import BadConfig, MissingExtra
from tests.vsync.node.loopback import free_ports
from vsync.identity import group_number
from vsync.node import finding

HERE = ("127.0.0.1", 5410)
MINUTE = 60_000_000_000


@pytest.fixture
def names(monkeypatch):
    """A resolver that knows these names, and counts what it is asked."""
    known, asked = {}, []

    def look_up(host, port, family=0, type=0):
        asked.append(host)
        if host.replace(".", "").isdigit() or ":" in host:
            return real(host, port, family, type)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(known[host], port, family, type)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(finding, "TRY_EVERY_S", 0.01)
    known["asked"] = asked
    return known


def test_names_and_numbers_become_addresses(names):
    names["two"] = "10.0.0.2"
    found = finding.resolved({2: "two:7", 3: "10.0.0.3:8"}, HERE, 0, pytest.fail)
    assert found == {2: ("10.0.0.2", 7), 3: ("10.0.0.3", 8)}
    assert finding.resolved({}, HERE, MINUTE, pytest.fail) == {}


def test_a_name_that_comes_late_is_waited_for(names, monkeypatch):
    monkeypatch.setattr(finding, "QUIET_S", 0)
    notes = []

    def note(line):
        notes.append(line)
        names["two"] = "10.0.0.2"

    found = finding.resolved({2: "two:7", 3: "10.0.0.3:8"}, HERE, MINUTE, note)
    assert found == {2: ("10.0.0.2", 7), 3: ("10.0.0.3", 8)}
    assert len(notes) == 1
    assert notes[0].startswith("waiting up to 60.0 s for two")


MISSING = "no IPv4 address is known for two, three: member 2, 3 is looked for until it is found"


def test_names_that_never_come_are_told_and_hold_nobody_up(names):
    notes = []
    peers = {2: "two:7", 3: "three:7", 4: "10.0.0.4:7"}
    found = finding.resolved(peers, HERE, 50_000_000, notes.append)
    assert found == {4: ("10.0.0.4", 7)}
    assert notes == ["waiting up to 50.0 ms for two, three to resolve", MISSING]
    notes.clear()
    names["asked"].clear()
    assert finding.resolved(peers, HERE, 0, notes.append) == {4: ("10.0.0.4", 7)}
    assert notes == [MISSING]
    assert names["asked"] == ["10.0.0.4", "two", "three"]


def test_a_name_with_addresses_of_the_other_family_only_is_missing(names):
    names["two"] = "::1"
    notes = []
    assert finding.resolved({2: "two:7"}, HERE, 0, notes.append) == {}
    assert notes[0].startswith("no IPv4 address is known for two")
    names["two"] = "10.0.0.2"
    assert finding.resolved({2: "two:7"}, ("::1", 7), 0, notes.append) == {}
    assert notes[1].startswith("no IPv6 address is known for two")


@pytest.mark.parametrize("wait_ns", [0, 50_000_000])
def test_a_resolver_that_hangs_holds_nobody_up(monkeypatch, wait_ns):
    free = threading.Event()

    def hang(*_):
        free.wait()
        return []

    monkeypatch.setattr(finding, "look_up", hang)
    monkeypatch.setattr(finding, "ONCE_S", 0.05)
    notes = []
    assert finding.resolved({2: "two:7"}, HERE, wait_ns, notes.append) == {}
    assert notes[-1].startswith("no IPv4 address is known for two")
    free.set()


@pytest.mark.parametrize("endpoint", ["nowhere", "a:99999", ":1", "a b:1", "10.0.0.300:1"])
def test_what_is_no_address_is_not_waited_for(names, endpoint):
    with pytest.raises(BadConfig):
        finding.resolved({2: endpoint}, HERE, MINUTE, pytest.fail)
    assert names["asked"] == []


def announcement(number, group="orders"):
    return {b"group": f"{group_number(group):08x}".encode(), b"id": number}


def test_the_first_word_of_each_member_counts_and_others_are_not_heard():
    found = finding.Found(group_number("orders"), 1, 3)
    found.hear(announcement(b"2"), "10.0.0.2", 5410)
    found.hear(announcement(b"2"), "10.6.6.6", 5410)
    for number in (b"1", b"0", b"4", b"-3", b"x", b"", None, b"9" * 5000):
        found.hear(announcement(number), "10.6.6.6", 5410)
    found.hear(announcement(b"3", group="others"), "10.6.6.6", 5410)
    found.hear(announcement(b"3"), "10.6.6.6", 0)
    found.hear({}, "10.6.6.6", 5410)
    assert found.peers == {2: ("10.0.0.2", 5410)}
    assert found.missing() == "3"
    assert not found.is_complete.is_set()
    found.hear(announcement(b"3"), "10.0.0.3", 5410)
    assert found.is_complete.is_set()


def test_who_is_alone_has_found_everybody():
    assert finding.Found(1, 1, 1).is_complete.is_set()


@pytest.mark.slow
def test_members_find_one_another_by_zeroconf():
    pytest.importorskip("zeroconf", reason="the extra discovery is not installed")
    ports = free_ports(2)
    told, both = {}, threading.Barrier(2, timeout=60)

    def run(me):
        listen = ("127.0.0.1", ports[me - 1])
        with finding.announced("test", me, listen, 2, MINUTE, lambda _: None) as peers:
            told[me] = peers
            both.wait()

    threads = [threading.Thread(target=run, args=(me,)) for me in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {1: {2: ("127.0.0.1", ports[1])}, 2: {1: ("127.0.0.1", ports[0])}}


@pytest.mark.slow
@pytest.mark.parametrize("listen", [("0.0.0.0", 5410), ("127.0.0.1", 0), ("::1", 5410)])
def test_an_address_that_others_cannot_use_is_not_announced(listen):
    pytest.importorskip("zeroconf", reason="the extra discovery is not installed")
    with (
        pytest.raises(BadConfig, match="cannot be announced"),
        finding.announced("test", 1, listen, 2, MINUTE, pytest.fail),
    ):
        pass


def test_without_the_extra_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with (
        pytest.raises(MissingExtra, match=r"pip install 'clocksync\[discovery\]'"),
        finding.announced("test", 1, HERE, 2, MINUTE, pytest.fail),
    ):
        pass
