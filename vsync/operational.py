"""A member on a ring: it orders messages, and notices that the ring must change."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vsync import change, lingering, reception
from vsync.events import Multicast, Ordered, SendTo
from vsync.frames import (
    LINGERS,
    NOBODY,
    PACKED_MAX,
    SAFE,
    Commit,
    Data,
    HoldCancel,
    Join,
    Merge,
    Recovered,
    Token,
)
from vsync.ring import Visit
from vsync.ringtime import Reading
from vsync.states import Cause, OnFrame, OnTimer, Timer
from vsync.store import Entry

if TYPE_CHECKING:
    from vsync.engine import Engine


# Messages


def on_data(engine: "Engine", sender: int, frame: Entry) -> None:
    """A message. One of another ring means that the other ring is in reach."""
    if frame.ring != engine.ring.id:
        change.on_foreign(engine, sender, frame)
    elif reception.take(engine, sender, frame):
        engine.deliver_ready()
        if len(engine.outbox):
            lingering.cut_short(engine)


# The token


def on_token(engine: "Engine", sender: int, token: Token) -> None:
    """The token. The representative keeps that of an idle ring for a while."""
    if not reception.accept(engine, sender, token):
        return
    ring = engine.ring
    is_quiet = token.sequence == ring.safe and not token.missing and not len(engine.outbox)
    if ring.place == 0 and is_quiet and ring.idle_visits > engine.config.idle_visits:
        engine.held = token
        engine.arm(Timer.TOKEN_HOLD, engine.config.token_hold_ns)
        return
    visit(engine, token)


def let_go(engine: "Engine") -> None:
    """Visit the token that was held; end the visit that was not over."""
    if engine.held is not None:
        token, engine.held = engine.held, None
        engine.cancel(Timer.TOKEN_HOLD)
        visit(engine, token)
    elif engine.lingering.kept is not None:
        token, engine.lingering.kept = engine.lingering.kept, None
        engine.cancel(Timer.TOKEN_HOLD)
        engine.pass_on(engine.ring.successor, token)


def visit(engine: "Engine", token: Token) -> None:
    """Do what is to be done while holding the token, and pass it on."""
    config, ring = engine.config, engine.ring
    engine.stamper.follow(engine.clock, token.clocks, ring.place, engine.now, ring.last_visit_ns)
    lingers = lingering.may_linger(engine, token)
    supply = _supply(engine, ring.last_visit_ns, lingers)
    made = ring.visit(token, engine.now, engine.clock, supply, _backlog(engine))
    engine.tell_pressure()
    # Where frames get lost smaller ones get through sooner.
    if made.resent:
        engine.room = max(engine.least_room, engine.room // 2)
    else:
        engine.room = min(engine.most_room, engine.room + engine.least_room)
    if lingers and not _must_change(engine, made):
        send_and_linger(engine, made.token, made.sent, engine.now)
        return
    after = min(config.accelerated, len(made.sent))
    before = len(made.sent) - after
    for frame in made.resent + made.sent[:before]:
        engine.emit(Multicast(frame))
    if not _must_change(engine, made):
        # The representative keeps an idle token for a while: until then none of us hears of it.
        engine.pass_on(ring.successor, made.token, config.token_hold_ns if made.is_idle else 0)
    for frame in made.sent[before:]:
        engine.emit(Multicast(frame, after_token=True))
    if made.deaf != NOBODY:
        engine.membership.fail(made.deaf)
        change.gather(engine, Cause.MEMBER_DEAF)
    elif made.token.sequence >= config.sequence_limit:
        change.gather(engine, Cause.SEQUENCE_LIMIT)
    else:
        engine.deliver_ready()
        ring.release()


def send_and_linger(engine: "Engine", token: Token, sent: list[Entry], since_ns: int) -> None:
    """Send, and keep the token of this visit, begun then, if more is likely to follow at once."""
    for frame in sent:
        engine.emit(Multicast(frame))
    engine.deliver_ready()
    engine.ring.release()
    engine.lingering.kept = token
    if lingering.awaits_more(engine) and lingering.is_worth_it(engine, since_ns):
        lingering.linger(engine, since_ns)
    else:
        let_go(engine)


def _must_change(engine: "Engine", made: Visit) -> bool:
    return made.deaf != NOBODY or made.token.sequence >= engine.config.sequence_limit


def _backlog(engine: "Engine") -> Callable[[], int]:
    config = engine.config
    return lambda: engine.outbox.datagrams(engine.least_room, config.window)


def _supply(engine: "Engine", since_ns: int, lingers: bool) -> Callable[[int, Token], list[Entry]]:
    """Makes new messages out of the send queue.

    Args:
        since_ns: of the visit before: no clock in the token's table was read earlier.
        lingers: the token may be kept after them.
    """
    ring, stamper = engine.ring, engine.stamper

    def supply(allowance: int, token: Token) -> list[Entry]:
        if not len(engine.outbox):
            return []
        group = stamper.group_interval(
            engine.clock, token.clocks, ring.place, engine.now - since_ns
        )
        group = stamper.steadied(group, engine.now)
        reading = stamper.read(engine.clock, group)
        last = max(ring.timestamp, token.timestamp, stamper.observed)
        made: list[Entry] = []
        while len(engine.outbox) and allowance > 0:
            number = token.sequence + len(made) + 1
            room = engine.room
            if allowance < engine.config.frame_datagrams:
                room = min(room, engine.config.room(allowance))
            frame = _next_frame(engine, number, token.round, last, reading, room, lingers)
            if frame is None:
                break
            last = frame.last_timestamp
            made.append(frame)
            allowance -= engine.config.datagrams(frame.size)
        return made

    return supply


def _next_frame(
    engine: "Engine",
    number: int,
    rotation: int,
    last: int,
    reading: Reading,
    room: int,
    lingers: bool = False,
) -> Data | None:
    """The next datagram, numbered and stamped; None while its time is not reserved on disk."""
    first = reading.stamp(last)
    if not engine.is_reserved(first + PACKED_MAX):
        return None
    packed = engine.outbox.take(room)
    ring = engine.ring
    if packed.handles:
        engine.last_own = number
        engine.emit(Ordered(ring.id, number, packed.handles, packed.service, packed.is_whole))
    flags = packed.flags | reading.flags_of(first)
    if lingers and not len(engine.outbox) and not packed.flags & SAFE:
        flags |= LINGERS
    frame = Data(
        *ring.id,
        number,
        engine.me,
        flags,
        rotation,
        first,
        reading.error(first, first + max(1, len(packed.lengths)) - 1),
        packed.group,
        packed.lengths,
        packed.payload,
    )
    engine.stamper.saw(frame.last_timestamp)
    return frame


# Alone: no token, no waiting


def send_alone(engine: "Engine") -> None:
    """A ring of one delivers at once."""
    ring = engine.ring
    reading = engine.stamper.read(engine.clock, None)
    while len(engine.outbox):
        if ring.log.highest >= engine.config.sequence_limit:
            change.gather(engine, Cause.SEQUENCE_LIMIT)
            return
        room = engine.config.payload_bytes
        last = max(ring.timestamp, engine.stamper.observed)
        frame = _next_frame(engine, ring.log.highest + 1, 0, last, reading, room)
        if frame is None:
            break
        ring.timestamp = frame.last_timestamp
        ring.log.add(frame)
        ring.safe = ring.log.highest
        engine.deliver_ready()
        ring.release()
    engine.tell_pressure()


def on_submit(engine: "Engine") -> None:
    """There is something to send."""
    ring = engine.ring
    if ring.is_alone:
        send_alone(engine)
    elif engine.lingering.kept is not None:
        extend(engine, engine.lingering.kept)
    elif engine.held is not None:
        let_go(engine)
    elif ring.lingerer != NOBODY:
        lingering.cut_short(engine)
    elif ring.place != 0 and ring.idle_visits >= engine.config.idle_visits - 1:
        # Once: the next visit finds something to send, and is not idle.
        ring.idle_visits = 0
        engine.emit(SendTo(ring.members[0], HoldCancel(*ring.id)))


def extend(engine: "Engine", kept: Token) -> None:
    """Send more in the visit that is not over."""
    ring, since_ns = engine.ring, engine.lingering.since_ns
    lingers = lingering.is_worth_it(engine, since_ns)
    told = ring.told
    assert told is not None, "there was a visit"
    supply = _supply(engine, told.before_ns, lingers)
    token, sent = ring.extend(kept, supply, _backlog(engine))
    engine.tell_pressure()
    send_and_linger(engine, token, sent, since_ns)


def on_persisted(engine: "Engine") -> None:
    """Later times may be given out and delivered."""
    engine.deliver_ready()
    if engine.ring.is_alone:
        send_alone(engine)


def on_hold_cancel(engine: "Engine", sender: int, frame: HoldCancel) -> None:
    if frame.ring != engine.ring.id:
        engine.drop("of another ring", sender, frame)
        return
    engine.ring.idle_visits = engine.lingering.followed = 0
    let_go(engine)


# What ends a ring


def on_commit(engine: "Engine", sender: int, commit: Commit) -> None:
    engine.drop("commit token out of time", sender, commit)


def on_token_lost(engine: "Engine") -> None:
    change.gather(engine, Cause.TOKEN_LOST)


def on_merge_timer(engine: "Engine") -> None:
    """Tell other rings, should there be any, that we are here."""
    engine.emit(Multicast(Merge(*engine.ring.id, engine.incarnation)))
    engine.arm(Timer.MERGE, engine.config.merge_ns)


def resume(engine: "Engine") -> None:
    """Begin, or go on, with the ring that is installed."""
    if engine.ring.place == 0:
        engine.arm(Timer.MERGE, engine.config.merge_ns)
    if engine.ring.is_alone:
        engine.cancel(Timer.TOKEN_LOSS)
        engine.cancel(Timer.TOKEN_RETRANSMIT)
        send_alone(engine)


ON_FRAME: OnFrame = {
    Data: on_data,
    Recovered: on_data,
    Token: on_token,
    Join: change.on_join_on_ring,
    Commit: on_commit,
    Merge: change.on_merge,
    HoldCancel: on_hold_cancel,
}
ON_TIMER: OnTimer = {
    Timer.TOKEN_LOSS: on_token_lost,
    Timer.TOKEN_RETRANSMIT: lambda engine: engine.pass_on_again(),
    Timer.TOKEN_HOLD: let_go,
    Timer.MERGE: on_merge_timer,
}
