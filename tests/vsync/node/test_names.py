"""Members given by name: what can be one, when it is looked up again, what comes of it."""

import asyncio
import socket
import threading
from itertools import pairwise

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND
from tests.vsync.node.loopback import CONFIG, free_ports, seen
from vsync.node import lookups, names
from vsync.node.joining import join
from vsync.node.lookups import Lookups, look_up
from vsync.node.names import APART_NS_MAX, SILENT_NS, Names, is_numeric, place

TWO, OLD, NEW, OTHER = ("two", 7), ("10.0.0.2", 7), ("10.0.0.9", 7), ("10.0.0.8", 7)


# What can be a name


NAMES = ["db2", "db2.example", "db2.example.", "vsync-0.vsync", "a_b", "x" * 63, "bücher.example"]
ADDRESSES = ["4", "127.1", "10.0.0.1", "fe80::1%eth0", "1.2.3.4.example"]
SPELLED = ["a b", "a..b", ".a", "-a", "a-", "a/b", "a,b", "a\x00", "\u2024"]
LONG = ["x" * 64, ".".join(["a"] * 200)]
NUMBERS = ["10.0.0.300", "1.2.3.4.5", "a.4"]


@pytest.mark.parametrize("host", [*NAMES, *ADDRESSES])
def test_hosts_that_can_be(host):
    assert place((host, 1)) == (host, 1)


@pytest.mark.parametrize("host", [*SPELLED, *LONG, *NUMBERS])
def test_hosts_that_cannot_be_are_told_in_one_line(host):
    with pytest.raises(BadConfig, match="is no address and no name of a host") as refused:
        place((host, 1))
    assert "\n" not in str(refused.value)


def test_an_address_of_a_link_has_to_say_of_which():
    with pytest.raises(BadConfig, match="say of which, as fe80::2%eth0"):
        place("[fe80::2]:1")
    assert place("[fe80::2%eth0]:1") == ("fe80::2%eth0", 1)
    assert is_numeric("fe80::2%eth0")


# When


def when(known, present_at, until_s):
    """Seconds at which the name of member 2 is looked up."""
    core, found = Names({2: TWO}, known), []
    for half in range(2 * until_s):
        present = (1, 2) if present_at(half / 2) else (1,)
        if core.due(present, half * SECOND // 2):
            found.append(half / 2)
    return found


def test_a_member_on_the_ring_is_not_looked_up():
    assert when({2: OLD}, lambda at: True, 1000) == []


def test_a_silent_member_is_looked_up_ever_more_seldom():
    looked = when({2: OLD}, lambda at: False, 1000)
    assert looked[:5] == [2, 4, 8, 16, 32]
    apart = [after - before for before, after in pairwise(looked)]
    assert max(apart) == APART_NS_MAX / SECOND
    assert apart[5:] == [APART_NS_MAX / SECOND] * (len(apart) - 5)


def test_one_that_comes_and_goes_is_looked_up_only_after_some_silence():
    assert when({2: OLD}, lambda at: at % 2 == 0, 100) == []
    # It was there for a moment: the next silence begins anew.
    looked = when({2: OLD}, lambda at: at == 100, 120)
    assert [at for at in looked if at > 100] == [100.5 + s for s in (2, 4, 8, 16)]


# What comes of it


def test_another_address_is_taken_and_told_once():
    core = Names({2: TWO}, {2: OLD})
    assert core.learn(2, [OLD]) == (None, "")
    assert core.learn(2, [NEW]) == (NEW, "member 2 is at 10.0.0.9 now (two)")
    assert core.learn(2, [NEW]) == (None, "")


def test_failures_are_counted_and_told_once_until_it_resolves_again():
    core = Names({2: TWO}, {2: OLD})
    told = [core.learn(2, []) for _ in range(3)]
    assert told[0][0] is None
    assert told[0][1].startswith("two does not resolve any more: member 2 keeps its last address")
    assert told[1:] == [(None, "")] * 2
    entry = {"name": "two", "address": "10.0.0.2:7", "lookups": 3, "failures": 3}
    assert core.described() == {"2": entry}
    assert core.learn(2, [OLD]) == (None, "")
    assert core.described() == {"2": entry | {"lookups": 4, "failures": 0}}
    assert core.learn(2, [])[1] != ""


def test_a_name_that_never_resolved_was_told_of_at_the_start():
    core = Names({2: TWO}, {})
    assert core.learn(2, []) == (None, "")
    assert core.described()["2"]["address"] is None
    assert core.learn(2, [OLD]) == (OLD, "member 2 is at 10.0.0.2 now (two)")


def test_of_several_addresses_each_gets_its_turn():
    core = Names({2: TWO}, {2: OLD})
    several = [OLD, NEW, OTHER]
    assert [core.learn(2, several) for _ in range(3)] == [(NEW, ""), (OTHER, ""), (OLD, "")]
    assert core.learn(2, [NEW, OTHER])[0] == NEW


# The thread


class Ring:
    """Who is present, and what it is told."""

    def __init__(self, resolver, present=()):
        self.present, self.moves, self.notes = present, [], []
        core = Names({2: TWO}, {2: OLD})
        self.lookups = Lookups(
            core,
            socket.AF_INET,
            lambda: self.present,
            lambda peer, address: self.moves.append((peer, address)),
            self.notes.append,
            resolver,
        )


def test_a_silent_member_is_moved_to_where_its_name_says():
    asked = []

    def resolver(end, family):
        asked.append((end, family))
        return [NEW]

    ring = Ring(resolver)
    for at in (0, SILENT_NS, SILENT_NS + 1):
        ring.lookups.round(at)
    assert asked == [(TWO, socket.AF_INET)]
    assert ring.moves == [(2, NEW)]
    assert ring.notes == ["member 2 is at 10.0.0.9 now (two)"]


def test_a_member_that_came_back_while_its_name_was_looked_up_stays_where_it_is():
    def resolver(end, family):
        ring.present = (2,)
        return [NEW]

    ring = Ring(resolver)
    for at in (0, SILENT_NS):
        ring.lookups.round(at)
    assert (ring.moves, ring.notes) == ([], [])


def test_nobody_waits_for_a_resolver_that_hangs(monkeypatch):
    monkeypatch.setattr(lookups, "ROUND_S", 0.001)
    monkeypatch.setattr(names, "SILENT_NS", 0)
    asked, free = threading.Event(), threading.Event()

    def resolver(end, family):
        asked.set()
        free.wait()
        return [NEW]

    ring = Ring(resolver)
    ring.lookups.start()
    assert asked.wait(20)
    ring.lookups.close()
    free.set()
    ring.lookups._thread.join(20)
    assert ring.moves == []


def test_without_names_there_is_no_thread():
    idle = Lookups(Names({}, {}), socket.AF_INET, tuple, print, print)
    idle.start()
    assert idle._thread.ident is None


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", ""])
def test_what_does_not_resolve_has_no_addresses(host, monkeypatch):
    def nothing(*_):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    if host.startswith("no-such"):
        monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert look_up((host, 99_999 if not host else 1), socket.AF_INET) == []


# All of it


@pytest.mark.slow
def test_a_member_that_comes_back_with_another_address_is_found_by_its_name(monkeypatch):
    known, real = {}, socket.getaddrinfo

    def resolver(host, port, family=0, type=0):
        if host not in ("one", "two"):
            return real(host, port, family, type)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(known[host], port, family, type)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(names, "SILENT_NS", SECOND // 10)
    monkeypatch.setattr(lookups, "ROUND_S", 0.05)
    (port,) = free_ports(1)
    plain = {"insecure_plaintext": True, "config": CONFIG}

    def second():
        return join(
            "test", id=2, listen=f"{known['two']}:{port}", peers={1: f"one:{port}"}, **plain
        )

    async def run():
        known["one"] = "127.0.0.1"
        notes = []
        first = join("test", id=1, listen=f"127.0.0.1:{port}", peers={2: f"two:{port}"}, **plain)
        first.note = notes.append
        async with first as one:
            await seen(one, (1,))
            assert notes.pop().startswith("no IPv4 address is known for two: member 2")
            for address in ("127.0.0.2", "127.0.0.3"):
                known["two"] = address
                async with second() as two:
                    await seen(two, (1, 2))
                    await seen(one, (1, 2))
                    assert notes.pop() == f"member 2 is at {address} now (two)"
                    told = await asyncio.to_thread(first.observer.look)
                    assert told["names"]["2"]["address"] == f"{address}:{port}"
                await seen(one, (1,))
            assert notes == []

    asyncio.run(run())
