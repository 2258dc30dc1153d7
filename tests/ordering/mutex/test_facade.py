"""What a program awaits: turns, cancellation, time-outs, double release, loss, closing."""

import asyncio

import pytest

from clocksync.runtime.errors import MisusedCore
from ordering.mutex import ALGORITHMS, GrantLost, LocalGroup, Lost, State
from ordering.mutex.facade import Closed

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)


async def turns(times: int = 20) -> None:
    """Let the event loop go round, so that messages arrive."""
    for _ in range(times):
        await asyncio.sleep(0)


@EVERY
def test_tasks_of_all_members_enter_one_at_a_time_with_growing_tokens(algorithm):
    inside, tokens = [], []

    async def work(mutex, times):
        for _ in range(times):
            async with mutex.acquire() as grant:
                inside.append(grant)
                assert len(inside) == 1
                tokens.append(grant.fencing_token)
                await asyncio.sleep(0)
                inside.remove(grant)

    async def main():
        with LocalGroup(ALGORITHMS[algorithm], 3) as group:
            async with asyncio.TaskGroup() as tasks:
                for member in (1, 2, 3):
                    tasks.create_task(work(group[member], 4))
                    tasks.create_task(work(group[member], 4))

    asyncio.run(main())
    assert len(tokens) == 24
    assert tokens == sorted(set(tokens))


@EVERY
def test_a_task_that_is_cancelled_while_it_waits_leaves_the_way_free(algorithm):
    async def main():
        with LocalGroup(ALGORITHMS[algorithm], 3) as group:
            async with group[3].acquire():
                waiting = asyncio.ensure_future(enter(group[2]))
                behind = asyncio.ensure_future(enter(group[1]))
                await turns()
                waiting.cancel()
                await asyncio.wait([waiting])
                assert waiting.cancelled()
                assert group[2].core.state is State.IDLE
            await asyncio.wait_for(behind, 20)
            await asyncio.wait_for(enter(group[2]), 20)

    asyncio.run(main())


async def enter(mutex) -> int:
    async with mutex.acquire() as grant:
        return grant.fencing_token


@EVERY
def test_a_timeout_says_how_long_and_the_mutex_can_be_used_again(algorithm):
    async def main():
        with LocalGroup(ALGORITHMS[algorithm], 3) as group:
            async with group[3].acquire():
                with pytest.raises(TimeoutError, match=r"not granted within 0\.01 s"):
                    async with group[2].acquire(timeout_s=0.01):
                        pass
            await asyncio.wait_for(enter(group[2]), 20)

    asyncio.run(main())


def test_a_grant_that_comes_with_the_cancellation_is_released():
    async def main():
        with LocalGroup(ALGORITHMS["central"], 2) as group:
            waiting = asyncio.ensure_future(enter(group[2]))
            member, _ = group._members[2]
            member.on_event = lambda event: (group[2].hear(event), waiting.cancel())
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            await asyncio.wait_for(enter(group[1]), 20)

    asyncio.run(main())


def test_a_second_release_is_refused_and_the_end_of_the_block_is_none():
    async def main():
        with LocalGroup(ALGORITHMS["central"], 1) as group:
            async with group[1].acquire() as grant:
                assert grant.held
                grant.release()
                assert not grant.held
                with pytest.raises(MisusedCore, match="was released already"):
                    grant.release()
                async with group[1].acquire() as other:
                    assert other.fencing_token > grant.fencing_token

    asyncio.run(main())


def test_a_lost_grant_is_told_inside_and_at_the_end_of_the_block():
    async def main():
        with LocalGroup(ALGORITHMS["central"], 1) as group:
            mutex = group[1]
            with pytest.raises(GrantLost, match="the grant 1 was lost: too slow"):  # noqa: PT012
                async with mutex.acquire() as grant:
                    waiting = asyncio.ensure_future(grant.lost())
                    mutex.core.release(0)
                    mutex.hear(Lost(grant.fencing_token, "too slow"))
                    await asyncio.wait_for(waiting, 20)
                    assert not grant.held
                    with pytest.raises(GrantLost):
                        grant.check()
            assert await enter(mutex) == 2

    asyncio.run(main())


def test_an_exception_inside_is_not_hidden_by_the_loss_and_releases():
    async def main():
        with LocalGroup(ALGORITHMS["central"], 1) as group:
            with pytest.raises(ZeroDivisionError):  # noqa: PT012
                async with group[1].acquire() as grant:
                    group[1].core.release(0)
                    group[1].hear(Lost(grant.fencing_token, "too slow"))
                    raise ZeroDivisionError
            with pytest.raises(ZeroDivisionError):
                async with group[1].acquire():
                    raise ZeroDivisionError
            assert await enter(group[1]) == 3

    asyncio.run(main())


def test_who_waits_when_the_mutex_is_closed_is_told():
    async def main():
        with LocalGroup(ALGORITHMS["central"], 2) as group:
            async with group[1].acquire():
                waiting = asyncio.ensure_future(enter(group[2]))
                await turns()
                group[2].close()
                with pytest.raises(Closed):
                    await waiting
            with pytest.raises(Closed):
                await enter(group[2])

    asyncio.run(main())
