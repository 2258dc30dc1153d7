"""A member on a ring that is not installed yet: the old ring is being recovered on it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from clocksync.runtime.errors import MalformedFrame
from vsync import change, operational, reception
from vsync.events import Configuration, Kind, Multicast, Promised
from vsync.frames import (
    LARGEST,
    NOBODY,
    Commit,
    CommitEntry,
    Data,
    HoldCancel,
    Join,
    Merge,
    Recovered,
    RingFrame,
    Token,
)
from vsync.identity import NO_RING, regular_id, transitional_id
from vsync.recovery import Recovery, Step, plan
from vsync.ring import Ring
from vsync.states import Cause, OnFrame, OnTimer, Timer

if TYPE_CHECKING:
    from vsync.engine import Engine


def begin(engine: "Engine", table: tuple[CommitEntry, ...]) -> None:
    """Work out what is to be exchanged."""
    ring = Ring(engine.my_ring, engine.members, engine.me, engine.config, engine.gathered_ns)
    recovery = Recovery.begin(ring, engine.ring, table, engine.recovered_in)
    engine.recovery = recovery
    engine.stamper.saw(recovery.floor)
    engine.stamper.steady = None  # another ring, other clocks
    ring.timestamp = recovery.floor + 1
    engine.is_reserved(ring.timestamp)
    if ring.is_alone:
        _install_alone(engine)


def _install_alone(engine: "Engine") -> None:
    recovery = engine.recovery
    assert recovery is not None, "this state has a recovery"
    if engine.is_reserved(recovery.floor + 1):
        _install(engine, recovery)


def on_persisted(engine: "Engine") -> None:
    """The ring's first timestamp may be durable now: that is what installing it waits for."""
    recovery = engine.recovery
    assert recovery is not None, "this state has a recovery"
    if recovery.ring.is_alone:
        _install_alone(engine)
    elif recovery.waiting is not None and engine.is_reserved(recovery.floor + 1):
        token, recovery.waiting = recovery.waiting, None
        if _install(engine, recovery):
            engine.pass_on(recovery.ring.successor, token)


def on_commit(engine: "Engine", sender: int, commit: Commit) -> None:
    """The commit token has been everywhere twice: the representative makes the first regular one of
    it, once (a second one would begin the ring again: corosync 4ee84c51)."""
    recovery = engine.recovery
    assert recovery is not None, "this state has a recovery"
    is_due = commit.ring == engine.my_ring and commit.hop == 2 * len(engine.members)
    if not is_due or engine.is_started or recovery.ring.place != 0:
        engine.drop("commit token that was here already", sender, commit)
        return
    engine.is_started = True
    engine.cancel(Timer.TOKEN_RETRANSMIT)
    engine.arm(Timer.TOKEN_LOSS, engine.config.token_loss_ns)
    clocks = [bound for entry in recovery.table for bound in (entry.earliest, entry.latest)]
    _visit(engine, recovery, recovery.ring.first_token(recovery.ring.timestamp, tuple(clocks)))


def on_token(engine: "Engine", sender: int, token: Token) -> None:
    recovery = engine.recovery
    assert recovery is not None, "this state has a recovery"
    if reception.accept(engine, sender, token):
        engine.is_started = True
        _visit(engine, recovery, token)


def _visit(engine: "Engine", recovery: Recovery, token: Token) -> None:
    ring = recovery.ring
    engine.membership.passed += 1
    engine.stamper.follow(engine.clock, token.clocks, ring.place, engine.now, ring.last_visit_ns)
    made = ring.visit(token, engine.now, engine.clock, recovery.supply, lambda: len(recovery.queue))
    for frame in made.resent + made.sent:
        engine.emit(Multicast(frame))
    if made.deaf != NOBODY:
        engine.membership.fail(made.deaf)
        change.gather(engine, Cause.MEMBER_DEAF)
        return
    flag = recovery.flag(bool(token.recovering))
    passed = ring.last_token = replace(made.token, recovering=int(flag))
    match recovery.after_visit(
        flag, passed.sequence, passed.all_received_up_to, engine.config.recovery_rotations_max
    ):
        case Step.ENDLESS:
            change.gather(engine, Cause.RECOVERY_ENDLESS)
            return
        case Step.PROMISE:
            _promise(engine, recovery)
        case Step.INSTALL if not engine.is_reserved(recovery.floor + 1):
            # The token waits with us: with it we would acknowledge messages of the new ring, and
            # others deliver them as safe, before its configuration is ours.
            recovery.waiting = passed
            return
        case Step.INSTALL:
            if not _install(engine, recovery):
                return
        case Step.EXCHANGING:
            pass
    engine.pass_on(ring.successor, passed)


def _promise(engine: "Engine", recovery: Recovery) -> None:
    """We hold all of the exchange. Somebody may now install, and count on us."""
    recovery.promised = True
    engine.recovered_in = recovery.ring.id
    engine.obligations |= set(recovery.obligations)
    engine.emit(Promised(recovery.ring.id, tuple(sorted(engine.obligations))))


def _install(engine: "Engine", recovery: Recovery) -> bool:
    """Deliver what the old ring still owes, and the configurations, in one step."""
    old, ring = engine.ring, recovery.ring
    what = plan(old.log, old.delivered, recovery.highest_delivered, recovery.obligations)
    if not what.is_complete:
        engine.drop("a member's delivery of what nobody has")
        change.gather(engine, Cause.RECOVERY_ENDLESS)
        return False
    engine.move(Cause.RECOVERED)
    _deliver(engine, old, what.regular, regular_id(old.id))
    came = recovery.transitional
    transitional = transitional_id(ring.id, came)
    left = tuple(member for member in old.members if member not in came)
    engine.emit(
        Configuration(
            transitional,
            Kind.TRANSITIONAL,
            old.id,
            came,
            (),
            left,
            engine.reason,
            old.delivered_time,
            old.time_error,
        )
    )
    _deliver(engine, old, what.transitional, transitional)
    change.shun(engine)
    engine.ring, engine.recovery = ring, None
    engine.entry = engine.commit = None
    engine.is_frozen, engine.recovered_in, engine.obligations = False, NO_RING, set()
    engine.last_own = 0
    engine.membership.install(ring.members)
    engine.assembly.reset()
    engine.outbox.rewind()
    timestamp = recovery.floor + 1
    engine.deliver_regular(came, timestamp, _error(recovery, timestamp))
    engine.deliver_ready()
    operational.resume(engine)
    return True


def _deliver(engine: "Engine", old: Ring, numbers: tuple[int, ...], configuration: str) -> None:
    for number in numbers:
        frame = old.log.frames[number]
        if isinstance(frame, Data):
            engine.deliver(old, frame, configuration)


def _error(recovery: Recovery, timestamp: int) -> int:
    """How far from true time the new configuration's timestamp may be, by anybody's clock."""
    earliest = min(entry.earliest for entry in recovery.table)
    latest = max(entry.latest for entry in recovery.table)
    return min(max(timestamp - earliest, latest - timestamp, 0), LARGEST)


# Messages


def on_recovered(engine: "Engine", sender: int, frame: Recovered) -> None:
    """A message of an old ring, ours or somebody else's, sent again on the new one."""
    recovery = engine.recovery
    assert recovery is not None, "this state has a recovery"
    if frame.ring != recovery.ring.id:
        engine.drop("of another ring", sender, frame)
        return
    try:
        inner = Data.decode(frame.payload)
    except MalformedFrame as error:
        engine.drop(error.reason, sender, frame)
        return
    reason = inner.check()
    if reason is not None:
        engine.drop(reason, sender, frame)
        return
    if not reception.take(engine, sender, frame) or inner.ring != engine.ring.id:
        return
    old = engine.ring
    recovery.took(inner.sequence)
    if inner.origin in old.members and old.takes(inner) and old.log.add(inner):
        engine.stamper.saw(inner.last_timestamp)


def on_data(engine: "Engine", sender: int, frame: Data) -> None:
    """A message of the new ring: somebody has installed it. We deliver when we have."""
    recovery = engine.recovery
    assert recovery is not None, "this state has a recovery"
    if frame.ring == recovery.ring.id:
        reception.take(engine, sender, frame)
    else:
        engine.drop("of another ring", sender, frame)


def drop(engine: "Engine", sender: int, frame: RingFrame) -> None:
    engine.drop("not during recovery", sender, frame)


def on_token_lost(engine: "Engine") -> None:
    change.gather(engine, Cause.RECOVERY_LOST)


ON_FRAME: OnFrame = {
    Data: on_data,
    Recovered: on_recovered,
    Token: on_token,
    Join: change.on_join_forming,
    Commit: on_commit,
    Merge: drop,
    HoldCancel: drop,
}
ON_TIMER: OnTimer = {
    Timer.TOKEN_LOSS: on_token_lost,
    Timer.TOKEN_RETRANSMIT: lambda engine: engine.pass_on_again(),
}
