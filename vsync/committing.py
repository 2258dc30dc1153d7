"""A member that has agreed on the next ring: the commit token goes round it twice.

On its first round everybody writes down what it holds of its old ring, and holds to it: from then
on the old ring grows by recovery only. On its second everybody reads what the others wrote.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from clocksync.runtime.errors import MalformedFrame
from vsync import change, recovering
from vsync.events import TimeRefused
from vsync.frames import (
    LARGEST,
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
from vsync.identity import NO_RING, RingId
from vsync.recovery import too_far_ahead
from vsync.ringtime import within
from vsync.states import Awaited, Cause, OnFrame, OnTimer, Timer

if TYPE_CHECKING:
    from vsync.engine import Engine


def form(engine: "Engine") -> None:
    """Form the ring everybody agreed on; its number is larger than any that was heard of."""
    membership = engine.membership
    known = (membership.highest_ring_sequence, engine.my_ring.sequence, engine.ring.id.sequence)
    sequence = max(known) + 4  # any step would do; four is the paper's
    if sequence > LARGEST:
        engine.drop("a ring number that leaves no room for another")
        return
    ring = RingId(sequence, engine.me, engine.random.getrandbits(32))
    empty = [_empty(member) for member in membership.wanted]
    _begin(engine, Cause.CONSENSUS_REACHED, ring, Commit(*ring, 0, _table(empty)), empty)


def take_part(engine: "Engine", commit: Commit, table: tuple[CommitEntry, ...]) -> None:
    """Take part in the ring that the representative formed."""
    _begin(engine, Cause.COMMIT_HEARD, commit.ring, commit, list(table))


def _begin(
    engine: "Engine", cause: Cause, ring: RingId, commit: Commit, table: list[CommitEntry]
) -> None:
    engine.move(cause)
    engine.my_ring = ring
    engine.is_frozen = True
    engine.is_started = engine.is_parting = False
    engine.members = tuple(entry.member for entry in table)
    membership = engine.membership
    membership.highest_ring_sequence = max(membership.highest_ring_sequence, ring.sequence)
    membership.passed = 0
    engine.entry = _entry(engine)
    table[engine.members.index(engine.me)] = engine.entry
    engine.commit = replace(commit, hop=commit.hop + 1, table=_table(table))
    engine.arm(Timer.TOKEN_LOSS, engine.config.token_loss_ns)
    # The number must be durable before anybody can hear of it: a representative that comes back
    # would form another ring of that name (corosync 3675dace).
    highest = max(engine.stamper.highest, *(entry.timestamp for entry in table))
    engine.persist(ring.sequence, highest + engine.config.reservation_ns)
    engine.awaited = (engine.ticket, Awaited.COMMIT)


def send(engine: "Engine") -> None:
    """Our part is durable: pass the commit token on."""
    assert engine.commit is not None, "there is a commit token in this state"
    engine.membership.passed = 1
    if len(engine.members) == 1:
        _read(engine, engine.commit, engine.commit.entries())
    else:
        engine.pass_on(_successor(engine), engine.commit)


def _entry(engine: "Engine") -> CommitEntry:
    old, clock = engine.ring, within(engine.clock)
    return CommitEntry(
        engine.me,
        engine.incarnation,
        *old.id,
        old.log.contiguous,
        old.delivered,
        *engine.recovered_in,
        engine.stamper.highest,
        clock.earliest,
        clock.latest,
        tuple(sorted(engine.obligations)),
    )


def _empty(member: int) -> CommitEntry:
    return CommitEntry(member, 0, *NO_RING, 0, 0, *NO_RING, 0, 0, 0, ())


def _table(entries: list[CommitEntry]) -> bytes:
    return b"".join([entry.encode() for entry in entries])


def _successor(engine: "Engine") -> int:
    members = engine.members
    return members[(members.index(engine.me) + 1) % len(members)]


def on_commit(engine: "Engine", sender: int, commit: Commit) -> None:
    """The commit token: only its second round concerns us."""
    members = engine.members
    if commit.ring != engine.my_ring:
        engine.drop("commit token of another ring", sender, commit)
        return
    if engine.is_parting and engine.me == members[0] and commit.hop == 2 * len(members):
        change.gather(engine, Cause.TIME_REFUSED)
        return
    if engine.is_parting or commit.hop != len(members) + members.index(engine.me):
        engine.drop("commit token that was here already", sender, commit)
        return
    try:
        table = commit.entries()
    except MalformedFrame as error:
        engine.drop(error.reason, sender, commit)
        return
    is_true = tuple(entry.member for entry in table) == members and engine.entry in table
    if not is_true or not all(entry.is_filled for entry in table):
        engine.drop("commit token with another table", sender, commit)
        return
    _read(engine, commit, table)


def _read(engine: "Engine", commit: Commit, table: tuple[CommitEntry, ...]) -> None:
    """Everybody's part is known."""
    refused, ahead_ns = too_far_ahead(table, engine.config.ahead_max_ns)
    if refused:
        _refuse(engine, table, refused, ahead_ns)
    else:
        engine.move(Cause.COMMIT_CIRCULATED)
    engine.arm(Timer.TOKEN_LOSS, engine.config.token_loss_ns)
    if len(engine.members) > 1:
        engine.membership.passed = 2
        engine.commit = replace(commit, hop=commit.hop + 1)
        engine.pass_on(_successor(engine), engine.commit)
    if not refused:
        recovering.begin(engine, table)


def _refuse(
    engine: "Engine", table: tuple[CommitEntry, ...], refused: tuple[int, ...], ahead_ns: int
) -> None:
    """Part from those whose timestamps are absurdly ahead; they part from us.

    The token still goes round, so that all know why; then the representative begins to gather.
    """
    engine.is_parting = True
    ours = engine.me in refused
    others = [entry for entry in table if (entry.member in refused) != ours]
    engine.refused |= {entry.member: entry.incarnation for entry in others}
    engine.emit(TimeRefused((engine.me,) if ours else refused, ahead_ns))
    engine.membership.fail(*(entry.member for entry in others))


def drop(engine: "Engine", sender: int, frame: RingFrame) -> None:
    engine.drop("not while a ring is being formed", sender, frame)


def on_token_lost(engine: "Engine") -> None:
    change.gather(engine, Cause.COMMIT_LOST)


ON_FRAME: OnFrame = {
    Data: drop,
    Recovered: drop,
    Token: drop,
    Join: change.on_join_forming,
    Commit: on_commit,
    Merge: drop,
    HoldCancel: drop,
}
ON_TIMER: OnTimer = {
    Timer.TOKEN_LOSS: on_token_lost,
    Timer.TOKEN_RETRANSMIT: lambda engine: engine.pass_on_again(),
}
