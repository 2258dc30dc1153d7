"""Groups, replicated state and locks as an application sees them: on real sockets."""

import asyncio
import threading
from dataclasses import replace

import pytest

from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.mutex.facade import GrantLost
from ordering.mutex.leases import EpochConfig as LeaseConfig
from tests.vsync.node.loopback import CONFIG, SOON_S, blocking, joinings, seen, together
from vsync.identity import Service
from vsync.node import services as services_module
from vsync.node.channel import GroupLeft
from vsync.node.message import Message, NotAMember
from vsync.node.state import CommandRejected
from vsync.node.told import SlowConsumer
from vsync.replication.events import PrimaryChanged, View
from vsync.replication.machine import Replicated
from vsync.replication.objects import Counter, Queue, ReplicatedDict, Taken
from vsync.replication.quorum import MajorityOfExpected

pytestmark = pytest.mark.slow

OF_THREE = MajorityOfExpected({1, 2, 3})
LEASES = LeaseConfig(heartbeat_ns=100 * MILLISECOND, lease_ns=SECOND)


def run(program, seconds=3 * SOON_S):
    asyncio.run(asyncio.wait_for(program, seconds))


async def everywhere(groups, enter):
    """Let all members enter a group, one after the other."""
    return [await enter(group) for group in groups]


async def until(true):
    """Let the event loop run until something is true."""
    for _ in range(round(SOON_S / 0.005)):
        if true():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("it never became true")


# Process groups


def test_a_process_group_has_its_own_members_messages_and_views():
    async def program():
        async with together(3) as groups:
            one, two = [await group.join("some") for group in groups[:2]]
            await until(lambda: one.members == (1, 2))
            assert two.members == (1, 2)
            with pytest.raises(MisusedCore, match="not in it"):
                groups[2]._services.do(lambda member, now: member.multicast("some", [b"no"]))
            await groups[2].deliver(b"to all")
            message = await one.deliver(b"to some")
            got = []
            async for event in two:
                got.append(event)
                if isinstance(event, Message):
                    break
            assert got[-1] == message
            assert message.payload == b"to some"
            assert [view.joined for view in got[:-1]] == [(2,)]

    run(program())


def test_who_leaves_a_process_group_is_reported_and_hears_no_more():
    async def program():
        async with together(2) as groups:
            one, two = await everywhere(groups, lambda group: group.join("some"))
            await two.leave()
            await until(lambda: one.members == (1,))
            assert [event.left async for event in two if isinstance(event, View)][-1] == (2,)
            with pytest.raises(GroupLeft):
                await two.multicast(b"too late")
            again = await groups[1].join("some")
            await until(lambda: one.members == (1, 2))
            assert again.members == (1, 2)

    run(program())


def test_what_a_group_delivered_counts_as_the_rings_until_it_is_taken():
    async def program():
        async with together(2) as groups:
            one, two = await everywhere(groups, lambda group: group.join("some"))
            await until(lambda: one.members == two.members == (1, 2))
            loops = [group.loop for group in groups]
            await one.multicast_many([bytes(1000)] * 50)
            await one.deliver(b"x")
            await until(lambda: loops[1].backlog >= 50_000)
            taken = 0
            async for event in two:
                taken += isinstance(event, Message)
                if taken == 51:
                    break
            assert loops[1].backlog == 0
            assert loops[0].backlog >= 50_000
            await one.leave()
            await until(lambda: loops[0].backlog == 0)

    run(program())


def test_who_takes_nothing_from_a_process_group_has_to_go_as_from_the_ring():
    async def program():
        first, second = joinings(2)
        second.backlog_bytes = 10_000
        async with first as group, second as slow:
            await seen(group, (1, 2))
            chats = await everywhere((group, slow), lambda each: each.join("chat"))
            await until(lambda: all(chat.members == (1, 2) for chat in chats))
            await chats[0].multicast_many([bytes(1000)] * 5000)
            await until(lambda: slow.has_ended)
            assert isinstance(slow.error, SlowConsumer)

    run(program())


def test_who_uses_groups_alone_need_not_take_what_the_whole_ring_is_told():
    async def program():
        first, second = joinings(2)
        second.events, second.backlog_bytes = False, 10_000
        async with first as group, second as quiet:
            count = await quiet.replicate("n", Counter())
            await seen(group, (1, 2))
            await group.multicast_many([bytes(1000)] * 5000)
            await group.deliver(b"last")
            assert await count.submit(Counter.add(1)) == 1
            await until(lambda: quiet.loop.backlog == 0)
            assert quiet.configuration.members == (1, 2)
            with pytest.raises(MisusedCore, match="events=False"):
                await anext(aiter(quiet))

    run(program())
    (joining,) = joinings(1, events=False)
    with joining as group:
        assert group.deliver(b"x").payload == b"x"
        assert group.loop.backlog == 0
        with pytest.raises(MisusedCore, match="events=False"):
            group.receive()


def test_who_says_more_than_the_ring_takes_waits():
    async def program():
        async with together(1) as (group,):
            chat = await group.join("chat")
            table = await group.replicate("table", ReplicatedDict())
            services, submit = group._services, group._services._submit
            services._submit = lambda payloads, service, number: False  # the ring has no room
            await chat.multicast_many([b"x"] * services_module.OUTBOX_MESSAGES)
            waiting = [
                asyncio.ensure_future(chat.multicast(b"more")),
                asyncio.ensure_future(table.submit(ReplicatedDict.set("a", 1))),
            ]
            await asyncio.sleep(0.05)
            assert not any(one.done() for one in waiting)
            services._submit = submit
            services.flush()
            await asyncio.gather(*waiting)

    run(program())


def test_who_waits_to_say_more_hears_that_it_is_over():
    async def program():
        async with together(1) as (group,):
            chat = await group.join("chat")
            group._services._submit = lambda payloads, service, number: False
            await chat.multicast_many([b"x"] * services_module.OUTBOX_MESSAGES)
            waiting = asyncio.ensure_future(chat.multicast(b"more"))
            await asyncio.sleep(0.01)
            group.loop.stop()
            with pytest.raises(NotAMember):
                await waiting

    run(program())


def test_a_member_that_dies_leaves_its_groups():
    async def program():
        async with together(3) as groups:
            chats = await everywhere(groups, lambda group: group.join("chat"))
            await until(lambda: all(chat.members == (1, 2, 3) for chat in chats))
            groups[2].loop.stop()
            # The transitional view, then that of the next ring.
            await until(
                lambda: all(
                    chat.members == (1, 2) and not chat.view.is_transitional for chat in chats[:2]
                )
            )
            await until(lambda: chats[0].view.id == chats[1].view.id)
            with pytest.raises(NotAMember):
                await chats[2].deliver(b"from the grave")

    run(program())


def test_misuse_of_groups_is_refused():
    async def program():
        async with together(1) as (group,):
            assert (await group.join("test")).members == (1,), "the ring is called so, too"
            with pytest.raises(BadConfig, match="names no group"):
                await group.join("")
            await group.join("some")
            with pytest.raises(MisusedCore, match="it is in the group"):
                await group.join("some")

    run(program())


# State


def test_a_dictionary_is_the_same_everywhere_and_read_locally():
    async def program():
        async with together(3, quorum=OF_THREE) as groups:
            prices = await everywhere(groups, lambda g: g.replicate("prices", ReplicatedDict()))
            assert await prices[0].submit(ReplicatedDict.create("tea", 3)) is True
            assert await prices[1].submit(ReplicatedDict.create("tea", 4)) is False
            assert prices[1].machine.get("tea") == 3
            await prices[2].submit(ReplicatedDict.compare_and_set("tea", 3, 5))
            assert await prices[0].submit(ReplicatedDict.read("tea")) == [5]
            assert all(each.is_primary for each in prices)
            assert groups[0].quorum is True

    run(program())


def test_many_commands_at_once_are_applied_in_their_order():
    async def program():
        async with together(2) as groups:
            counts = await everywhere(groups, lambda g: g.replicate("n", Counter()))
            results = await counts[1].submit_many([Counter.add(1)] * 5000)
            assert results == list(range(1, 5001))
            queues = await everywhere(groups, lambda g: g.replicate("q", Queue()))
            await queues[0].submit_many([Queue.put(n) for n in range(10)])
            taken = await asyncio.gather(*(q.submit(Queue.take()) for q in queues * 5))
            assert sorted(each.value for each in taken) == list(range(10))
            assert await queues[0].submit(Queue.take()) == Taken(False)

    run(program())


def test_more_commands_than_the_send_queue_holds_are_sent_in_parts():
    config = replace(
        CONFIG, queue_messages_max=1500, queue_bytes_max=2 << 20, message_bytes_max=1 << 20
    )

    async def program():
        async with together(2, config=config) as groups:
            counts = await everywhere(groups, lambda g: g.replicate("n", Counter()))
            results = await counts[0].submit_many([Counter.add(1)] * 5000)
            assert results[-1] == 5000
            large = [ReplicatedDict.set(f"{n}", "x" * 400_000) for n in range(12)]
            table = await groups[0].replicate("table", ReplicatedDict())
            await table.submit_many(large)
            assert len(table.machine) == 12

    run(program())


def test_what_can_not_be_sent_is_refused_at_once():
    async def program():
        async with together(1, config=replace(CONFIG, message_bytes_max=1000)) as (group,):
            count = await group.replicate("n", Counter())
            chat = await group.join("chat")
            with pytest.raises(ValueError, match="a message of 1000 bytes: at most 999 fit"):
                await count.submit(bytes(1000))
            with pytest.raises(ValueError, match="at most 999 fit"):
                await chat.multicast(bytes(1000))
            with pytest.raises(TypeError, match="a message is bytes, not str"):
                await count.submit("text")
            assert await count.submit(Counter.add(1)) == 1

    run(program())


def test_a_member_that_comes_later_receives_the_state_while_others_go_on():
    async def program():
        first, second = joinings(2)
        async with first as one:
            table = await one.replicate("table", ReplicatedDict())
            filler = "x" * 1000
            await table.submit_many([ReplicatedDict.set(f"{n}", filler) for n in range(5000)])
            async with second as two:
                await seen(two, (1, 2))
                writing = asyncio.ensure_future(
                    table.submit_many([ReplicatedDict.set("last", n) for n in range(2000)])
                )
                copy = await two.replicate("table", ReplicatedDict())
                await writing
                await until(lambda: copy.machine.get("last") == 1999)
                assert copy.machine.items() == table.machine.items()
                assert len(copy.machine) == 5001

    run(program())


def test_a_command_waits_for_the_group_to_form():
    async def program():
        first, *others = joinings(3, quorum=OF_THREE)
        async with first as one:
            early = await one.replicate("n", Counter())
            asked = asyncio.ensure_future(early.submit(Counter.add(1)))
            gone = await one.replicate("gone", Counter())
            forlorn = asyncio.ensure_future(gone.submit(Counter.add(1)))
            await asyncio.sleep(0)
            await gone.leave()
            with pytest.raises(GroupLeft):
                await forlorn
            assert early.view is not None
            assert not asked.done()
            async with others[0] as two, others[1] as three:
                for group in (two, three):
                    await group.replicate("n", Counter())
                assert await asked == 1

    run(program())


def test_a_minority_rejects_and_the_majority_goes_on():
    async def program():
        async with together(3, quorum=OF_THREE) as groups:
            counts = await everywhere(groups, lambda g: g.replicate("n", Counter()))
            await counts[0].submit(Counter.add(1))
            groups[1].loop.stop()
            groups[2].loop.stop()
            await until(lambda: groups[0].quorum is False)
            with pytest.raises(CommandRejected, match="quorum"):
                await counts[0].submit(Counter.add(1))
            assert counts[0].machine.value == 1
            assert not counts[0].is_primary
            changes = []
            async for event in counts[0].events():
                if isinstance(event, PrimaryChanged):
                    changes.append(event.is_primary)
                    if changes[-1] is False and len(changes) > 1:
                        break
            assert changes == [True, False]

    run(program())


def test_two_that_begin_before_they_have_met_come_to_one_state():
    async def program():
        first, second = joinings(2)
        async with first as one, second as two:
            # Two that begin before they have met.
            counts = [await one.replicate("n", Counter()), await two.replicate("n", Counter())]
            await seen(one, (1, 2))
            await until(lambda: all(each.members == (1, 2) for each in counts))
            await counts[0].submit(Counter.add(7))
            await until(lambda: counts[1].machine.value == counts[0].machine.value)

    run(program())


class Strange(Replicated):
    """A state machine that breaks its contract."""

    def apply(self, command, context):
        raise RuntimeError("I broke")

    def snapshot(self):
        return [b"nothing"]

    def restore(self, pieces):
        list(pieces)


def test_a_state_machine_that_raises_ends_its_member_with_its_exception():
    async def program():
        async with together(1) as (group,):
            state = await group.replicate("strange", Strange())
            with pytest.raises(RuntimeError, match="I broke"):
                await state.submit(b"anything")
            with pytest.raises(RuntimeError, match="I broke"):
                async for _ in group:
                    pass
            with pytest.raises(RuntimeError, match="I broke"):
                await group.multicast(b"too late")

    run(program())


def test_a_command_whose_waiter_is_cancelled_is_applied_all_the_same():
    async def program():
        async with together(2) as groups:
            counts = await everywhere(groups, lambda g: g.replicate("n", Counter()))
            waiting = asyncio.ensure_future(counts[0].submit(Counter.add(5)))
            await asyncio.sleep(0)
            waiting.cancel()
            await until(lambda: counts[1].machine.value == 5)

    run(program())


# Locks


def test_a_lock_excludes_and_its_tokens_grow():
    async def program():
        async with together(3, quorum=OF_THREE) as groups:
            services = await everywhere(groups, lambda g: g.locks(leases=LEASES))
            inside, tokens, highest = [], [], 0

            async def work(locks):
                nonlocal highest
                for _ in range(10):
                    async with locks.lock("till") as grant:
                        inside.append(grant)
                        assert len(inside) == 1
                        assert grant.held
                        await asyncio.sleep(0)
                        assert grant.fencing_token > highest
                        highest = grant.fencing_token
                        tokens.append(grant.fencing_token)
                        inside.pop()

            await asyncio.gather(*(work(locks) for locks in services))
            assert tokens == sorted(set(tokens))
            assert len(tokens) == 30

    run(program())


def test_everybody_knows_who_holds_a_lock():
    async def program():
        async with together(2) as groups:
            one, two = await everywhere(groups, lambda g: g.locks())
            async with one.lock("till"):
                await until(lambda: two.holder("till") == 1)
                assert one.holder("till") == 1
            await until(lambda: two.holder("till") is None)

    run(program())


def test_a_lock_that_takes_too_long_is_given_up_and_the_next_is_served():
    async def program():
        async with together(2) as groups:
            one, two = await everywhere(groups, lambda g: g.locks())
            async with one.lock("till"):
                with pytest.raises(TimeoutError, match=r"'till' not granted in 0\.05 s"):
                    async with two.lock("till", timeout_s=0.05):
                        pytest.fail("two are inside")
            async with two.lock("till"), one.lock("other"):
                pass

    run(program())


def test_many_locks_at_once():
    async def program():
        async with together(2) as groups:
            one, two = await everywhere(groups, lambda g: g.locks(service=Service.AGREED))
            names = [f"{n}" for n in range(500)]
            grants = await one.acquire_many(names)
            assert [grant.name for grant in grants] == names
            waiting = asyncio.ensure_future(two.acquire_many(names))
            await until(lambda: len(two.core.table.queues) == 500)
            one.release_many(grants)
            theirs = await waiting
            assert all(
                b.fencing_token > a.fencing_token for a, b in zip(grants, theirs, strict=True)
            )
            with pytest.raises(MisusedCore, match="released already"):
                one.release_many(grants[:1])

    run(program())


def test_the_lock_of_a_member_that_dies_is_granted_to_the_next():
    async def program():
        async with together(3, quorum=OF_THREE) as groups:
            services = await everywhere(groups, lambda g: g.locks(leases=LEASES))
            async with services[1].lock("other"):
                (mine,) = await services[0].acquire_many(["till"])
                waiting = asyncio.ensure_future(services[1].acquire_many(["till"]))
                await until(lambda: services[1].core.table.queues)
                groups[0].loop.stop()
                (theirs,) = await waiting
                assert theirs.fencing_token > mine.fencing_token
                assert not mine.held
                with pytest.raises(GrantLost):
                    mine.check()

    run(program())


def test_a_member_that_leaves_gives_its_locks_back_at_once():
    async def program():
        async with together(2, quorum=MajorityOfExpected({1, 2, 3}, wait_for_all=False)) as groups:
            one, two = await everywhere(groups, lambda g: g.locks(leases=LEASES))
            await one.acquire_many(["till"])
            waiting = asyncio.ensure_future(two.acquire_many(["till"]))
            await until(lambda: two.core.table.queues)
            await groups[0].leave()
            await waiting

    run(program())


def test_a_lost_lock_is_told_at_the_end_of_its_block():
    async def program():
        async with together(3, quorum=OF_THREE) as groups:
            services = await everywhere(groups, lambda g: g.locks(leases=LEASES))

            async def work():
                async with services[0].lock("till") as grant:
                    groups[1].loop.stop()
                    groups[2].loop.stop()
                    await until(lambda: grant.is_suspended)
                    await grant.lost()
                    assert not grant.held

            with pytest.raises(GrantLost, match="was lost"):
                await work()

    run(program())


def test_a_lock_can_be_handed_to_what_knows_mutexes():
    async def program():
        async with together(1) as (group,):
            locks = await group.locks()
            mutex = locks.named("till")
            async with mutex.acquire(timeout_s=5) as grant:
                assert grant.held
                grant.release()
                assert not grant.held
            with pytest.raises(BadConfig, match="name of a lock"):
                await locks.acquire_many([""])

    run(program())


# Without asyncio


def test_a_program_without_asyncio_has_groups_state_and_locks():
    with blocking(2) as (one, two):
        chats = [one.join("chat", SOON_S), two.join("chat", SOON_S)]
        message = chats[0].deliver(b"hello", timeout=SOON_S)
        events = iter(chats[1])
        while not isinstance(got := next(events), Message):
            pass
        assert got == message
        counts = [group.replicate("n", Counter(), timeout=SOON_S) for group in (one, two)]
        assert counts[0].submit(Counter.add(2), timeout=SOON_S) == 2
        assert counts[1].submit_many([Counter.add(1)] * 3, timeout=SOON_S) == [3, 4, 5]
        assert counts[1].read(lambda counter: counter.value) == 5
        locks = [group.locks(timeout=SOON_S) for group in (one, two)]
        entered = []

        def work(service):
            for _ in range(20):
                with service.lock("till", SOON_S) as grant:
                    entered.append(grant.fencing_token)

        threads = [threading.Thread(target=work, args=(service,)) for service in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON_S)
        assert len(entered) == 40
        assert entered == sorted(set(entered))
        with pytest.raises(TimeoutError), locks[0].lock("till"), locks[1].lock("till", 0.05):
            pass
        chats[0].leave(SOON_S)
    with pytest.raises(NotAMember):
        counts[0].submit(Counter.add(1), timeout=SOON_S)
