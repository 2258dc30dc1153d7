"""What time it is in a group, on real sockets."""

import asyncio
import time

import pytest

from clocksync.runtime.errors import MisusedCore
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.interval_order import PhysicalOrder
from tests.vsync.node.loopback import SOON_S, blocking, together
from vsync import AheadOfTime, NotAMember, compare

pytestmark = pytest.mark.slow
BOUND = {"clock_error_ns": 2 * MILLISECOND}


def test_every_member_reads_the_same_time_while_it_handles_a_message():
    async def run():
        async with together(3, **BOUND) as groups:
            with pytest.raises(MisusedCore, match="before the first message"):
                groups[0].timestamp()
            for number in range(5):
                await groups[number % 3].multicast(b"%d" % number)
            read = []
            for group in groups:
                own = []
                async with asyncio.timeout(SOON_S):
                    async for event in group:
                        own += [group.timestamp() for _ in range(event.payload[0] % 3)]
                        if event.payload == b"4":
                            break
                read.append(own)
            assert read[0] == read[1] == read[2]
            assert read[0] == sorted(set(read[0]))

    asyncio.run(run())


def test_now_contains_the_time_and_says_whether_a_majority_confirms_it():
    async def run():
        async with together(3, **BOUND) as groups:
            for group in groups:
                await group.deliver(b"x")
                before = time.time_ns()
                interval = group.now()
                assert interval.earliest <= time.time_ns()
                assert before <= interval.latest
                assert group.time_flags == ()
        async with together(2, **BOUND) as groups:
            assert groups[0].time_flags == ("unverified",)

    asyncio.run(run())


def test_what_follows_an_observation_is_later_and_an_absurd_one_is_refused():
    async def run():
        async with together(3, **BOUND) as groups:
            first = await groups[0].deliver(b"x")
            ahead = first.timestamp + 300 * MILLISECOND
            await groups[1].observe(ahead)
            await groups[1].observe(first)
            second = await groups[1].deliver(b"y")
            assert second.timestamp > ahead
            assert (await groups[2].deliver(b"z")).timestamp > second.timestamp
            with pytest.raises(AheadOfTime, match=r"^that timestamp is (59|60)\.\d s ahead of the"):
                await groups[1].observe(time.time_ns() + 60 * SECOND)
        with pytest.raises(NotAMember):
            await groups[1].observe(0)

    asyncio.run(run())


def test_after_a_commit_wait_the_timestamp_is_past_and_what_follows_elsewhere_is_later():
    """Two groups that know nothing of each other, with clocks of the same machine."""

    async def run():
        async with (
            together(2, group="one", **BOUND) as one,
            together(2, group="two", **BOUND) as two,
        ):
            for _ in range(3):
                first = await one[0].deliver(b"x", commit_wait=True)
                assert first.timestamp < time.time_ns() - BOUND["clock_error_ns"]
                second = await two[1].deliver(b"y", commit_wait=True)
                assert first.timestamp < second.timestamp
                assert compare(first, second) is not PhysicalOrder.AFTER

    asyncio.run(run())


def test_programs_without_asyncio_have_the_same():
    with blocking(2, **BOUND) as groups:
        one, two = groups
        first = one.deliver(b"x", commit_wait=True)
        assert first.timestamp < time.time_ns()
        two.observe(first.timestamp + 50 * MILLISECOND)
        second = two.deliver(b"y")
        assert second.timestamp > first.timestamp + 50 * MILLISECOND
        with pytest.raises(AheadOfTime):
            two.observe(time.time_ns() + 60 * SECOND)
        while one.receive(SOON_S).payload != b"y":
            pass
        assert one.timestamp()[:2] == (second.timestamp, 0)
        assert one.now().width == 2 * BOUND["clock_error_ns"]
        assert one.time_flags == ("unverified",)
