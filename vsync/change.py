"""What ends a ring: from every state a member comes here, and gathers members for the next one."""

from typing import TYPE_CHECKING

from vsync.events import Multicast
from vsync.frames import Data, Join, Merge, Recovered
from vsync.membership import Verdict
from vsync.states import Cause, State, Timer

if TYPE_CHECKING:
    from vsync.engine import Engine

PAUSED = "of the time while we were paused"
TOO_MANY = "of one process too many"
SHUNNED = "of a process that did not agree lately"


def gather(engine: "Engine", cause: Cause) -> None:
    """Begin to gather, or begin again because our sets have changed."""
    _give_up_forming(engine)
    engine.move(cause)
    engine.passed_on = None
    engine.awaits_commit = False
    engine.cancel(Timer.TOKEN_LOSS)
    engine.gathered_ns = engine.now
    engine.membership.ask_again()
    say_join(engine)
    engine.arm(Timer.CONSENSUS, engine.config.consensus_ns)


def gather_hearing(engine: "Engine", sender: int, join: Join) -> None:
    """Begin to gather because of a Join."""
    _give_up_forming(engine)
    engine.membership.add(sender)
    engine.membership.hear(sender, join)
    gather(engine, Cause.LEAVE_HEARD if join.leaving else Cause.JOIN_HEARD)


def _give_up_forming(engine: "Engine") -> None:
    """A ring that was being formed is forgotten; what was gained of the old one stays."""
    if engine.commit is not None:
        engine.membership.ring_failed()
        engine.recovery = engine.entry = engine.commit = engine.awaited = None


def say_join(engine: "Engine") -> None:
    """Tell everybody what we want, now and from time to time."""
    engine.emit(Multicast(engine.membership.join(engine.incarnation)))
    spread = engine.random.randrange(engine.config.join_spread_ns + 1)
    engine.arm(Timer.JOIN, engine.config.join_ns + spread)


def say_goodbye(engine: "Engine") -> None:
    """Tell everybody that we leave."""
    engine.emit(Multicast(engine.membership.join(engine.incarnation, leaving=True)))


def shun(engine: "Engine") -> None:
    """Do not ask those again for a while who had to be given up."""
    for process in sorted(engine.membership.failed - set(engine.refused)):
        engine.back_off.given_up(process, engine.now)


def on_foreign(engine: "Engine", sender: int, frame: Data | Recovered | Merge) -> None:
    """Something of another ring than the one installed: its members are in reach."""
    membership = engine.membership
    is_member = sender in membership.installed
    if engine.state is State.OPERATIONAL and is_member:
        if frame.ring_sequence <= engine.ring.id.sequence:
            engine.drop("of a ring before this one", sender, frame)
            return
    elif sender in membership.processes:
        engine.drop("of another ring, by somebody known", sender, frame)
        return
    if engine.is_flushing:
        engine.drop(PAUSED, sender, frame)
    elif not is_member and engine.back_off.is_shunned(sender, engine.now):
        engine.drop(SHUNNED, sender, frame)
    elif membership.add(sender) or is_member:
        is_merge = isinstance(frame, Merge)
        gather(engine, Cause.MERGE_HEARD if is_merge else Cause.FOREIGN_MESSAGE)
    else:
        engine.drop(TOO_MANY, sender, frame)


def on_merge(engine: "Engine", sender: int, frame: Merge) -> None:
    """Another ring announces itself; or our own does."""
    if frame.ring != engine.ring.id:
        on_foreign(engine, sender, frame)


def on_join_on_ring(engine: "Engine", sender: int, join: Join) -> None:
    """Somebody wants another ring than the one installed. Not all who say so tell news."""
    ring = engine.ring
    is_member = sender in ring.members
    if engine.is_flushing:
        engine.drop(PAUSED, sender, join)
    elif join.leaving and not is_member:
        engine.drop("goodbye of a stranger", sender, join)
    elif not engine.membership.has_room_for(sender):
        engine.drop(TOO_MANY, sender, join)
    elif engine.me in join.failed:
        # Two halves of a healed partition would poison each other for ever (corosync cfbb021e).
        engine.drop("join that has given us up", sender, join)
    elif is_member and join.ring_sequence < ring.id.sequence:
        engine.drop("join from before this ring", sender, join)
    elif not is_member and _is_shunned(engine, sender, join):
        engine.drop(SHUNNED, sender, join)
    else:
        # Even if nothing changes (corosync d9914003): the sender has left the ring.
        gather_hearing(engine, sender, join)


def on_join_gathering(engine: "Engine", sender: int, join: Join) -> None:
    """Somebody gathers as we do."""
    membership = engine.membership
    is_known = sender in membership.processes
    if engine.is_flushing:
        engine.drop(PAUSED, sender, join)
    elif join.leaving and not is_known:
        engine.drop("goodbye of a stranger", sender, join)
    elif not membership.has_room_for(sender):
        engine.drop(TOO_MANY, sender, join)
    elif not is_known and _is_shunned(engine, sender, join):
        engine.drop(SHUNNED, sender, join)
    else:
        is_news = membership.add(sender)
        verdict = membership.hear(sender, join)
        if verdict is Verdict.CHANGED or is_news:
            gather(engine, Cause.LEAVE_HEARD if join.leaving else Cause.JOIN_HEARD)
        elif verdict is Verdict.REFUSED:
            engine.drop("join of a process given up", sender, join)


def _is_shunned(engine: "Engine", sender: int, join: Join) -> bool:
    return engine.back_off.is_shunned(sender, engine.now, asks=engine.me in join.processes)


def on_join_forming(engine: "Engine", sender: int, join: Join) -> None:
    """A member of the ring being formed has given it up, unless it speaks of the time before."""
    is_after = join.leaving or join.ring_sequence >= engine.my_ring.sequence
    if engine.is_flushing:
        engine.drop(PAUSED, sender, join)
    elif sender in engine.members and is_after:
        gather_hearing(engine, sender, join)
    else:
        engine.drop("join while a ring is being formed", sender, join)
