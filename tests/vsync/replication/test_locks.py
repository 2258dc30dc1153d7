"""The lock service: grants, leases, and what a member is told when the ring is lost."""

import pytest

from clocksync.runtime.errors import BadConfig, MisusedCore
from tests.vsync.replication.order import Order
from vsync.identity import Service
from vsync.replication.events import Granted, Lost, Restored, Resumed, Suspended
from vsync.replication.locks import CUT_OFF, LEASE_ENDED, LeaseConfig, Locks
from vsync.replication.quorum import NO_QUORUM, MajorityOfExpected

LEASES = LeaseConfig(heartbeat_ns=100, lease_ns=1000, drift_ppm=1000)
SILENCE = LEASES.silence_ns
MAJORITY = MajorityOfExpected({1, 2, 3})


class Shop(Order):
    """An order on which all run the lock service ``l``."""

    def __init__(self, *members, policy=MAJORITY, **settings):
        super().__init__(*members, policy=policy)
        self.policy, self.settings = policy, settings

    def join(self, *members):
        for me in members:
            locks = Locks(me, "l", self.policy, leases=LEASES, **self.settings)
            self.do(me, self.members[me].join("l", locks))

    def locks(self, me):
        return self.members[me].cores["l"]

    def acquire(self, me, first, *names):
        self.do(me, self.members[me].ask("l", lambda core: core.acquire(first, names, self.now)))

    def release(self, me, *requests):
        self.do(me, self.members[me].ask("l", lambda core: core.release(requests, self.now)))

    def holds(self, me, request):
        return self.locks(me).holds(request, self.now)

    def granted(self, me):
        return [request for each in self.heard(me, Granted) for request in each.requests]

    def token(self, me, request):
        for each in self.heard(me, Granted):
            if request in each.requests:
                return each.fencing_tokens[each.requests.index(request)]
        raise AssertionError(f"{request} was not granted")

    def sleep(self, duration, *members):
        """Let time pass, with the ring going on among these."""
        end = self.now + duration
        while self.now < end:
            self.wait(50)
            self.run(*(me for me in self.members if members and me not in members))


def begun(*members, policy=MAJORITY, **settings):
    shop = Shop(*members, policy=policy, **settings)
    shop.ring(*members)
    shop.join(*members)
    shop.run()
    return shop


def test_a_lock_is_held_when_ones_own_request_is_delivered():
    shop = begun(1, 2, 3)
    shop.acquire(1, 7, "a", "b")
    assert shop.granted(1) == []
    shop.run()
    assert shop.granted(1) == [7, 8]
    assert shop.holds(1, 7)
    assert not shop.holds(2, 7)


def test_those_who_wait_are_granted_in_the_order_of_their_requests():
    shop = begun(1, 2, 3)
    for me in (3, 1, 2):
        shop.acquire(me, 7, "a")
        shop.order(me)
    shop.deliver()
    for me in (3, 1, 2):
        assert shop.holds(me, 7)
        shop.release(me, 7)
        assert not shop.holds(me, 7)
        shop.run()
    tokens = [shop.token(me, 7) for me in (3, 1, 2)]
    assert tokens == sorted(set(tokens))


def test_a_request_can_be_taken_back():
    shop = begun(1, 2, 3)
    shop.acquire(1, 1, "a")
    shop.run()
    shop.acquire(2, 1, "a")
    shop.run()
    shop.release(2, 1)
    shop.run()
    shop.release(1, 1)
    shop.run()
    assert shop.granted(2) == []
    assert shop.locks(3).table.holders == {}


def test_a_grant_that_crosses_its_taking_back_is_not_told_and_given_back():
    shop = begun(1, 2, 3)
    shop.acquire(1, 1, "a")
    shop.order(1)
    shop.release(1, 1)
    shop.run()
    assert shop.granted(1) == []
    assert shop.locks(2).table.holders == {}


def test_misuse_is_refused():
    shop = begun(1, 2, 3)
    with pytest.raises(BadConfig, match="not empty"):
        shop.acquire(1, 1, "")
    with pytest.raises(BadConfig, match="NUL"):
        shop.acquire(1, 1, "a\0b")
    shop.acquire(1, 1, "a", "b")
    with pytest.raises(MisusedCore, match="is waiting"):
        shop.acquire(1, 2, "c")
    with pytest.raises(MisusedCore, match="release 2 locks"):
        shop.members[1].leave("l")
    shop.release(1, 99)  # lost just now, perhaps


def test_a_lost_ring_suspends_and_one_that_comes_back_resumes():
    shop = begun(1, policy=MajorityOfExpected({1}))
    shop.acquire(1, 7, "a")
    shop.run()
    shop.lose_ring(1)
    assert shop.heard(1, Suspended) == [Suspended("l", (7,), shop.locks(1).until_ns)]
    assert shop.holds(1, 7), "until the lease ends"
    shop.find_ring(1)
    assert shop.heard(1, Resumed) == [Resumed("l", (7,))]


def test_a_holder_in_the_majority_keeps_its_lock_over_a_change_of_the_ring():
    shop = begun(1, 2, 3)
    shop.acquire(1, 7, "a")
    shop.run()
    token = shop.token(1, 7)
    shop.ring(3)
    shop.ring(1, 2)
    shop.run()
    assert shop.holds(1, 7)
    assert [
        type(each) for each in shop.told[1] if isinstance(each, Suspended | Resumed | Lost)
    ] == [*(Suspended, Resumed)]
    assert shop.locks(2).table.holders[b"a"] == (1, 7, token)


def test_the_lock_of_a_holder_that_was_cut_off_is_granted_after_its_lease():
    shop = begun(1, 2, 3)
    shop.acquire(3, 7, "a")
    shop.run()
    shop.acquire(1, 8, "a")
    shop.run()
    shop.ring(3)
    shop.ring(1, 2)
    shop.run()
    while shop.holds(3, 7):
        assert shop.granted(1) == []
        shop.sleep(50)
    assert shop.heard(3, Lost) == [Lost("l", (7,), LEASE_ENDED)]
    shop.sleep(SILENCE)
    assert shop.granted(1) == [8]
    assert shop.token(1, 8) > shop.token(3, 7)


def test_a_member_that_comes_back_in_time_has_lost_its_lock_all_the_same():
    """For the others it had left. That its lease had not ended is why nobody else holds it yet."""
    shop = begun(1, 2, 3)
    shop.acquire(3, 7, "a")
    shop.run()
    shop.ring(3)
    shop.ring(1, 2)
    shop.run()
    shop.ring(1, 2, 3)
    shop.run()
    assert shop.heard(3, Restored)
    assert shop.heard(3, Lost) == [Lost("l", (7,), CUT_OFF)]
    shop.acquire(3, 9, "a")
    shop.run()
    assert shop.granted(3) == [7]
    shop.sleep(SILENCE + 100)
    assert shop.granted(3) == [7, 9]


def test_a_minority_grants_nothing_and_asks_again_when_there_is_a_quorum():
    shop = begun(1, 2, 3)
    shop.ring(3)
    shop.ring(1, 2)
    shop.run()
    shop.acquire(3, 7, "a")
    shop.sleep(500)
    assert shop.granted(3) == []
    shop.ring(1, 2, 3)
    shop.run()
    assert shop.granted(3) == [7]


def test_a_lease_is_renewed_while_a_lock_is_held_and_not_otherwise():
    shop = begun(1, 2, 3)
    shop.acquire(1, 7, "a")
    shop.run()
    shop.sleep(5 * LEASES.lease_ns)
    assert shop.holds(1, 7)
    assert shop.heard(1, Lost) == []
    shop.release(1, 7)
    shop.sleep(300)
    sent = len(shop.log[shop.ring_of[1]])
    shop.sleep(5 * LEASES.lease_ns)
    assert len(shop.log[shop.ring_of[1]]) == sent


def test_a_lease_counts_from_when_what_proves_it_was_sent(*_):
    """It may have been delivered late; the others may have left the ring any time after."""
    shop = begun(1, 2, 3)
    sent_at = shop.now
    shop.acquire(1, 7, "a")
    shop.now += 600
    shop.run()
    assert shop.locks(1).until_ns == sent_at + LEASES.lease_ns


def test_a_paused_holder_does_not_hold_when_it_wakes():
    shop = begun(1, 2, 3)
    shop.acquire(3, 7, "a")
    shop.run()
    shop.now += LEASES.lease_ns
    assert not shop.holds(3, 7)


def test_last_words_grant_nothing_until_the_next_primary_is_there():
    shop = begun(1, 2, 3)
    shop.acquire(2, 7, "a")
    shop.order(2)
    shop.ring(3)
    shop.ring(1, 2)
    assert shop.locks(1).table.holders[b"a"][0] == 2
    assert shop.granted(2) == []
    shop.run()
    assert shop.granted(2) == [7]
    assert shop.token(2, 7) == shop.locks(1).table.holders[b"a"][2]


def test_agreed_grants_come_sooner_and_still_need_a_lease():
    shop = begun(1, 2, 3, service=Service.AGREED)
    shop.acquire(1, 7, "a")
    acquire, renewal = shop.outbox[1]
    assert (acquire.service, renewal.service) == (Service.AGREED, Service.SAFE)
    shop.run()
    assert shop.granted(1) == [7]
    shop.acquire(1, 8, "b")
    assert [each.service for each in shop.outbox[1]] == [Service.AGREED]


def test_without_a_quorum_policy_the_locks_of_the_dead_are_free_at_the_change():
    shop = begun(1, 2, policy=NO_QUORUM)
    shop.acquire(2, 7, "a")
    shop.run()
    shop.acquire(1, 8, "a")
    shop.run()
    shop.ring(1)
    shop.run()
    assert shop.granted(1) == [8]
    assert shop.locks(1).until_ns is None


def test_without_a_quorum_policy_a_side_that_loses_its_state_loses_its_locks():
    shop = begun(1, 2, policy=NO_QUORUM)
    for me in (1, 2):
        shop.ring(me)
        shop.run()
        shop.acquire(me, 7, "a")
        shop.run()
    assert shop.holds(1, 7)
    assert shop.holds(2, 7)
    shop.ring(1, 2)
    shop.run()
    assert shop.heard(2, Lost) == [Lost("l", (7,), CUT_OFF)]
    assert [shop.holds(me, 7) for me in (1, 2)] == [True, False]


def test_the_leases_of_the_gone_are_watched_by_the_next_if_the_first_is_gone_too():
    shop = Shop(1, 2, 3, 4, 5, policy=MajorityOfExpected(range(1, 6)))
    shop.ring(1, 2, 3, 4, 5)
    shop.join(1, 2, 3, 4, 5)
    shop.run()
    shop.acquire(5, 7, "a")
    shop.run()
    shop.ring(5)
    shop.ring(1, 2, 3, 4)
    shop.run()
    shop.sleep(SILENCE // 2)
    shop.ring(1)
    shop.ring(2, 3, 4)
    shop.run()
    shop.sleep(SILENCE)
    assert shop.locks(2).table.holders == {}


def test_a_restarted_holder_leaves_its_lock_to_its_lease():
    shop = begun(1, 2, 3)
    shop.acquire(3, 7, "a")
    shop.run()
    shop.restart(3, MAJORITY)
    shop.ring(3)
    shop.join(3)
    shop.run()
    shop.ring(1, 2, 3)
    shop.run()
    shop.acquire(1, 8, "a")
    shop.run()
    assert shop.granted(1) == []
    shop.sleep(SILENCE + 100)
    assert shop.granted(1) == [8]
