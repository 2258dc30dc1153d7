"""What a member costs that has nothing to do: it wakes for the token, and for little else."""

import asyncio
import time

import pytest

from tests.vsync.node.loopback import CONFIG, SOON_S, free_ports, seen, together
from vsync.config import RingConfig
from vsync.events import PeerHint
from vsync.frames import Merge
from vsync.node.pairing import ASK_EVERY_NS, SAMPLES_ENOUGH
from vsync.states import Timer

pytestmark = pytest.mark.slow

CLOCKS_KNOWN_S = SAMPLES_ENOUGH * ASK_EVERY_NS / 1e9


def run(program):
    asyncio.run(asyncio.wait_for(program, 3 * SOON_S))


def counting(loop, name):
    """The first arguments, from now on, of a method that the loop calls."""
    calls, right = [], getattr(loop, name)

    def method(*given):
        calls.append(given[:1])
        return right(*given)

    setattr(loop, name, method)
    return calls


def test_an_idle_member_wakes_for_the_token_and_for_little_else():
    async def program():
        async with together(3, config=RingConfig.within(1_000_000_000)) as groups:
            await asyncio.sleep(CLOCKS_KNOWN_S + 1)
            loops = [group.loop for group in groups]
            turns = [counting(loop, "_turn") for loop in loops]
            rotations = [loop.rotations for loop in loops]
            await asyncio.sleep(3)
            for loop, turned, before in zip(loops, turns, rotations, strict=True):
                visits = loop.rotations - before
                assert visits > 5
                # The representative wakes twice for an idle token; and clocks, twice a second each.
                assert len(turned) < (2 if loop.engine.ring.place == 0 else 1) * visits + 20

    run(program())


def test_after_a_pause_the_queue_is_read_for_as_long_as_the_engine_says():
    async def program():
        async with together(2) as (one, _):
            loop, told = one.loop, asyncio.Event()
            found = []

            def pause():
                engine, now = loop.engine, time.monotonic_ns()
                engine._tick_due = now - engine.config.token_loss_ns
                loop._step(PeerHint(2, True))  # any input: the engine sees how late it is
                assert engine.is_flushing
                lasts = engine.config.token_loss_ns // 50
                found.extend(loop._timers.expired(now + lasts - 1))
                asked.call_soon_threadsafe(told.set)

            asked = asyncio.get_running_loop()
            loop.post(pause)
            await told.wait()
            assert Timer.PAUSE not in [one.timer for one in found]

    run(program())


def test_a_hint_that_comes_while_clocks_are_compared_is_heeded():
    async def program():
        async with together(2) as (one, _):
            loop, told, went_on = one.loop, asyncio.get_running_loop(), asyncio.Event()
            steps = counting(loop, "_step")
            (port,) = free_ports(1)

            def compare():
                loop.sockets.move(2, ("127.0.0.1", port))  # where nobody listens
                ends = time.monotonic() + SOON_S
                while not loop.sockets.unreachable and time.monotonic() < ends:
                    loop.sockets.send([b"x"], (2,))
                    loop.probing.read_departures()
                told.call_soon_threadsafe(went_on.set)

            loop.post(compare)
            await went_on.wait()
            went_on.clear()
            loop.post(lambda: told.call_soon_threadsafe(went_on.set))
            await went_on.wait()
            assert [hint for (hint,) in steps if isinstance(hint, PeerHint)]

    run(program())


def test_other_rings_are_looked_for_only_where_somebody_is_missing():
    async def program():
        async with together(3) as (one, other, third):
            asked = counting(one.loop, "_audience")
            await asyncio.sleep(4 * CONFIG.merge_ns / 1e9)
            looks = [frame for (frame,) in asked if isinstance(frame, Merge)]
            assert len(looks) >= 2
            assert one.loop._audience(looks[0]) == []
            await third.leave()
            await seen(other, (1, 2))
            await seen(one, (1, 2))
            assert one.loop._audience(looks[0]) == [3]

    run(program())
