"""What time it is in a group, on real sockets."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from clocksync.runtime.errors import BadConfig, MisusedCore, NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.interval_order import PhysicalOrder
from tests.vsync.node.loopback import SOON_S, blocking, joinings, seen, together
from vsync import AheadOfTime, NotAMember, compare
from vsync.node.clock import GivenClock

pytestmark = pytest.mark.slow
MINUTE = 60 * SECOND
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


class Source:
    """A time source that is off by so much, and says what it says."""

    def __init__(self, error_ns, off_ns=0, knows=True):
        self.error_ns, self.off_ns, self.knows = error_ns, off_ns, knows

    def now(self):
        if not self.knows:
            raise NotSynchronised("not yet")
        return Interval.around(time.time_ns() + self.off_ns, self.error_ns)


async def three_with(clocks, then=lambda: None):
    """Members whose clocks are these, or become so: what each says, and what it takes for the
    time."""
    async with AsyncExitStack() as stack:
        groups = []
        for joining, clock in zip(joinings(3), clocks, strict=True):
            joining.clock = GivenClock(clock)
            groups.append(await stack.enter_async_context(joining))
        for group in groups:
            await seen(group, (1, 2, 3))
        then()
        found = []
        for group in groups:
            before = time.time_ns()
            message = await group.deliver(b"x")
            off = max(before - message.timestamp, message.timestamp - time.time_ns())
            found.append((message, off, group.now(), group.time_flags))
        return found


def test_a_member_whose_clock_is_wrong_is_noticed_and_stamps_with_the_others_time():
    wrong = Source(MILLISECOND)
    clocks = [Source(MILLISECOND), wrong, Source(MILLISECOND)]
    good, bad, other = asyncio.run(three_with(clocks, lambda: setattr(wrong, "off_ns", MINUTE)))
    for message, off, _, flags in (good, other):
        assert (message.flags, flags) == ((), ())
        assert off <= message.error
    message, off, _, flags = bad
    assert message.flags == flags == ("suspect",)
    assert off < SECOND, "not by its own clock"
    assert message.error > 59 * SECOND


def test_a_member_that_has_no_time_source_gets_the_time_from_the_group():
    clocks = [Source(MILLISECOND), Source(0, knows=False), Source(MILLISECOND)]
    _, (message, off, now, flags), _ = asyncio.run(three_with(clocks))
    assert (message.flags, flags) == ((), ())
    assert off <= message.error < SECOND
    assert now.width < SECOND


def test_a_clock_that_knows_its_error_and_an_error_given_contradict():
    with pytest.raises(BadConfig, match="contradict"):
        joinings(1, clock=Source(1), clock_error_ns=1)


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
