"""The table of locks: who holds what, at each place of the order."""

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync.identity import RingId
from vsync.replication.events import View
from vsync.replication.locktable import (
    ACQUIRE,
    CONFIRM,
    CONSECUTIVE,
    EXPIRE,
    NOBODY,
    RELEASE,
    RENEW,
    LockTable,
    Run,
    encode,
)
from vsync.replication.machine import Context

RING = RingId(5, 1, 7)
SOME = st.integers(1, 6)


class Desk:
    """A table, and those who ask."""

    def __init__(self, me=1, has_leases=False):
        self.table = LockTable(me, has_leases=has_leases)
        self.time = 1000

    def ask(self, origin, *runs):
        self.time += 10
        self.table.apply(encode(runs), Context(self.time, 0, origin, RING, 1, 0))

    def acquire(self, origin, request, *names):
        self.ask(origin, Run(ACQUIRE, range(request, request + len(names)), names))

    def release(self, origin, request, name):
        self.ask(origin, Run(RELEASE, [request], [name]))

    def leave(self, *members, reason="the token did not come back in time"):
        self.table.members_changed(View("g", "v", RING, (), (), members, reason, True, 0))

    def holder(self, name):
        holder = self.table.holders.get(name)
        return None if holder is None else holder[:2]

    def token(self, name):
        return self.table.holders[name][2]


def test_a_free_lock_is_granted_and_the_next_waits_its_turn():
    desk = Desk()
    for origin in (1, 2, 3):
        desk.acquire(origin, 10 * origin, b"a")
    assert desk.holder(b"a") == (1, 10)
    desk.release(1, 10, b"a")
    assert desk.holder(b"a") == (2, 20)
    desk.release(2, 20, b"a")
    desk.release(3, 30, b"a")
    assert desk.holder(b"a") is None
    assert desk.table.queues == {}


def test_one_member_may_ask_for_a_lock_twice_and_waits_for_itself():
    desk = Desk()
    desk.acquire(1, 10, b"a")
    desk.acquire(1, 11, b"a")
    assert desk.table.granted == [10]
    desk.release(1, 10, b"a")
    assert desk.table.granted == [10, 11]


def test_a_request_that_waits_is_taken_back_by_a_release():
    desk = Desk()
    for origin in (1, 2, 3):
        desk.acquire(origin, 10, b"a")
    desk.release(2, 10, b"a")
    desk.release(1, 10, b"a")
    assert desk.holder(b"a") == (3, 10)


@pytest.mark.parametrize(("origin", "request_"), [(2, 10), (1, 11), (3, 7)])
def test_only_its_holder_releases_a_lock(origin, request_):
    desk = Desk()
    desk.acquire(1, 10, b"a")
    desk.release(origin, request_, b"a")
    assert desk.holder(b"a") == (1, 10)


def test_tokens_grow_with_every_grant_and_are_never_below_the_groups_time():
    desk, random, tokens = Desk(), Random(5), []
    for request in range(1, 60):
        name = random.choice([b"a", b"b", b"c"])
        desk.acquire(random.randint(1, 3), request, name)
        if request % 2:
            desk.release(*desk.holder(name), name)
        tokens.append(desk.table.token)
    assert tokens == sorted(tokens)
    assert desk.table.token >= desk.time
    begun_anew = Desk()
    begun_anew.time = desk.time + 100
    begun_anew.acquire(1, 1, b"a")
    assert begun_anew.token(b"a") > desk.table.token


def test_many_locks_in_one_message_have_tokens_of_their_own():
    desk = Desk()
    desk.acquire(1, 1, *[b"%d" % n for n in range(100)])
    tokens = [desk.token(b"%d" % n) for n in range(100)]
    assert tokens == sorted(set(tokens))


def test_one_command_does_its_runs_in_order():
    desk = Desk()
    desk.ask(
        1,
        Run(ACQUIRE, [1, 2], [b"a", b"b"]),
        Run(RELEASE, [1], [b"a"]),
        Run(RENEW, (), ()),
        Run(ACQUIRE, [3], [b"a"]),
    )
    assert (desk.holder(b"a"), desk.holder(b"b")) == ((1, 3), (1, 2))
    assert set(desk.table.mine) == {2, 3}


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True)
    | st.builds(lambda first, count: list(range(first, first + count)), st.integers(0, 9), SOME)
)
def test_a_run_of_many_is_that_many_runs(requests):
    names = [b"%d" % n for n in range(len(requests))]
    together, apart = Desk(), Desk()
    together.acquire(2, 100, *names[::2])
    apart.acquire(2, 100, *names[::2])
    for verb in (ACQUIRE, CONFIRM, RELEASE, ACQUIRE):
        together.ask(1, Run(verb, requests, names))
        apart.ask(1, *(Run(verb, [n], [name]) for n, name in zip(requests, names, strict=True)))
        assert together.table.holders == apart.table.holders
        assert together.table.queues == apart.table.queues
        assert together.table.mine == apart.table.mine


def test_requests_that_count_up_take_the_room_of_one():
    names = [b"1/%d" % n for n in range(64)]
    runs = [Run(RELEASE, list(range(64)), names), Run(ACQUIRE, range(64, 128), names)]
    assert len(encode(runs)) < 700
    assert len(encode([Run(ACQUIRE, [*range(63), 99], names)])) > 800


@pytest.mark.parametrize("verb", [ACQUIRE, RELEASE, EXPIRE, CONFIRM, RENEW, 77])
def test_a_command_of_rubbish_changes_nothing_and_takes_no_time(verb):
    desk = Desk()
    desk.acquire(2, 7, b"a")
    before = dict(desk.table.holders)
    whole = encode([Run(ACQUIRE, [1, 2], [b"b", b"c"])])
    for command in (
        struct.pack(">BIIQ", verb | CONSECUTIVE, 0xFFFF_FFFF, 0, 7),
        struct.pack(">BIIQ", verb | CONSECUTIVE, 2, 0xFFFF_FFFF, 7),
        struct.pack(">BII", verb | CONSECUTIVE, 2, 0),
        struct.pack(">BII", verb, 0xFFFF_FFFF, 0),
        whole[:-1],
        whole[:5],
    ):
        desk.table.apply(command, Context(5000, 0, 1, RING, 1, 0))
    assert {name: desk.table.holders[name] for name in before} == before
    assert desk.table.holders.keys() <= {*before, b""}


def test_without_leases_the_locks_of_a_member_that_left_are_free_at_once():
    desk = Desk()
    desk.acquire(2, 1, b"a", b"b")
    desk.acquire(3, 1, b"a")
    desk.acquire(2, 9, b"a")
    desk.leave(2)
    assert desk.holder(b"a") == (3, 1)
    assert desk.holder(b"b") is None
    assert desk.table.queues == {}


def test_with_leases_they_are_nobodys_until_the_lease_has_ended():
    desk = Desk(has_leases=True)
    desk.acquire(2, 1, b"a", b"b")
    desk.acquire(3, 1, b"a")
    desk.leave(2)
    assert desk.holder(b"a") == (NOBODY, 1) == desk.holder(b"b")
    desk.acquire(1, 1, b"b")
    desk.release(2, 1, b"a")
    assert desk.holder(b"a") == (NOBODY, 1)
    desk.ask(1, Run(EXPIRE, [7], ()))
    assert desk.holder(b"a") == (NOBODY, 1)
    desk.ask(1, Run(EXPIRE, [1], ()))
    assert (desk.holder(b"a"), desk.holder(b"b")) == ((3, 1), (1, 1))
    assert desk.table.condemned == {}


def test_who_left_the_group_by_its_own_message_needs_no_lease():
    desk = Desk(has_leases=True)
    desk.acquire(2, 1, b"a")
    desk.acquire(1, 1, b"a")
    desk.leave(2, reason="leave")
    assert desk.holder(b"a") == (1, 1)


def test_a_grant_that_was_not_told_is_confirmed_with_a_new_token():
    desk = Desk()
    desk.acquire(1, 1, b"a")
    old = desk.token(b"a")
    desk.ask(2, Run(CONFIRM, [1], [b"a"]))
    assert desk.token(b"a") == old
    desk.ask(1, Run(CONFIRM, [1], [b"a"]))
    assert desk.token(b"a") > old
    assert desk.table.granted == [1, 1]


def test_a_table_is_the_same_after_a_transfer():
    desk = Desk(has_leases=True)
    desk.acquire(2, 1, b"a", "ö".encode(), b"\xff")
    desk.acquire(3, 1, b"a", b"c")
    desk.acquire(1, 1, b"a")
    desk.leave(2)
    other = Desk(me=3, has_leases=True)
    other.table.restore(iter(list(desk.table.snapshot())))
    assert other.table.digest() == desk.table.digest()
    assert other.table.mine == {2: (b"c", desk.token(b"c"))}
    other.time = desk.time
    for each in (desk, other):
        each.ask(3, Run(EXPIRE, [1], ()))
        each.leave(3)
    assert other.table.digest() == desk.table.digest()


def test_a_large_table_travels_in_pieces():
    desk = Desk()
    desk.acquire(1, 1, *[b"lock %d" % n for n in range(3000)])
    for n in range(3000):
        if n % 3 == 0:
            desk.acquire(2, 1 + n, b"lock %d" % n)
    pieces = list(desk.table.snapshot())
    assert len(pieces) > 5
    other = LockTable(2, has_leases=False)
    other.restore(pieces)
    assert other.digest() == desk.table.digest()


@pytest.mark.parametrize(
    "command",
    [b"", b"x", bytes(9), bytes(30), encode([Run(ACQUIRE, [1], [b"a"])])[:-1], b"\xff" * 40],
)
def test_what_is_no_command_changes_nothing(command):
    desk = Desk()
    desk.table.apply(command, Context(5, 0, 1, RING, 1, 0))
    assert desk.table.holders == {}
