"""The first and the last steps of a member.

It begins alone, in a configuration of its own, and looks for others. To leave, what was submitted
is delivered first; then it tells the others and goes on alone, so that whatever they may have
delivered is delivered here too; then it is over.
"""

from typing import TYPE_CHECKING

from vsync import change
from vsync.events import Left
from vsync.frames import LARGEST
from vsync.identity import RingId
from vsync.ring import Ring
from vsync.states import Awaited, Cause, Leaving, State, Timer

if TYPE_CHECKING:
    from vsync.engine import Engine


def start(engine: "Engine") -> None:
    """Wait for our past, then make the first configuration's number durable.

    Our former self may have given out times up to its reservation. Should we take part before these
    have passed, everybody's stamps would have to lie above them.
    """
    assert engine.ticket == 0, "an engine is started once"
    wait = engine.boot.reserved_until - engine.clock.earliest
    if 0 < wait <= 2 * engine.config.reservation_ns:
        engine.arm(Timer.BOOT, wait)
    else:
        number(engine)


def number(engine: "Engine") -> None:
    """Ask for a ring number of our own."""
    # One more than was ever in use: a process that comes back at once must not pass for its
    # former self (corosync 3675dace).
    until = max(engine.boot.reserved_until, engine.clock.middle) + engine.config.reservation_ns
    engine.persist(engine.boot.ring_sequence + 1, until)
    engine.awaited = (engine.ticket, Awaited.BOOT)


def boot(engine: "Engine") -> None:
    """Deliver the first configuration, and look for others."""
    ring = RingId(engine.asked.ring_sequence, engine.me, engine.random.getrandbits(32))
    engine.ring = Ring(ring, (engine.me,), engine.me, engine.config, engine.now)
    engine.my_ring = ring
    engine.membership.highest_ring_sequence = ring.sequence
    timestamp = max(engine.boot.reserved_until + 1, engine.clock.middle)
    clock = engine.clock
    error = min(max(timestamp - clock.earliest, clock.latest - timestamp), LARGEST)
    engine.move(Cause.BOOTED)
    engine.tick()
    engine.deliver_regular((), timestamp, error)
    engine.settles_ns = engine.now + engine.config.settle_ns
    change.gather(engine, Cause.BOOTED)
    engine.arm(Timer.SETTLE, engine.config.settle_ns)
    if engine.leaving is Leaving.DRAINING:
        engine.arm(Timer.LEAVE, engine.config.leave_ns)


def leave(engine: "Engine") -> None:
    """The application wants to leave."""
    if engine.leaving is not Leaving.NOT:
        return
    if engine.state is not State.IDLE:
        engine.leaving = Leaving.DRAINING
        engine.arm(Timer.LEAVE, engine.config.leave_ns)
    elif len(engine.outbox):
        # It was accepted before we had a configuration: it is delivered in our first one.
        engine.leaving = Leaving.DRAINING
    else:
        engine.leaving, engine.awaited = Leaving.ALONE, None
        engine.cancel(Timer.BOOT)
        engine.emit(Left())


def go_on_leaving(engine: "Engine") -> None:
    """After every step of a member that leaves: is it time for the next one?"""
    if engine.state is not State.OPERATIONAL or len(engine.outbox):
        return
    if engine.leaving is Leaving.DRAINING and engine.ring.delivered >= engine.last_own:
        go_alone(engine)
    elif engine.leaving is Leaving.ALONE and engine.ring.is_alone:
        if engine.ring.delivered < engine.ring.log.highest:
            return
        change.say_goodbye(engine)
        engine.move(Cause.LEFT)
        engine.emit(Left())


def go_alone(engine: "Engine") -> None:
    """Tell the others, and part from them."""
    if engine.leaving is not Leaving.DRAINING:
        return
    engine.leaving = Leaving.ALONE
    change.say_goodbye(engine)
    if engine.state is State.OPERATIONAL and engine.ring.is_alone:
        go_on_leaving(engine)
        return
    others = engine.membership.processes - {engine.me}
    engine.membership.fail(*sorted(others))
    change.gather(engine, Cause.LEAVING)
