"""A member without a ring: it finds out with whom to form the next one."""

from typing import TYPE_CHECKING

from clocksync.runtime.errors import MalformedFrame
from vsync import change, committing, operational, reception
from vsync.frames import Commit, Data, HoldCancel, Join, Merge, Recovered, Token
from vsync.states import Cause, Leaving, OnFrame, OnTimer, State, Timer

if TYPE_CHECKING:
    from vsync.engine import Engine


def go_on(engine: "Engine") -> None:
    """After every step while gathering: form the ring if everybody agrees and it is ours to."""
    membership = engine.membership
    while engine.state is State.GATHER and membership.is_agreed and not engine.awaits_commit:
        if membership.wanted == (engine.me,):
            # That nobody answered is for the consensus timer to say, unless we want to be alone.
            if len(membership.processes) > 1 or engine.leaving is Leaving.ALONE:
                be_alone(engine)
            return
        if engine.now < engine.settles_ns:
            return
        if not membership.give_up_the_blocker():
            if membership.is_mine_to_form:
                committing.form(engine)
            return
        change.gather(engine, Cause.CONSENSUS_MISSED)


def be_alone(engine: "Engine") -> None:
    """Form a ring of one; or go on with it, if that is where we come from and nobody was told
    otherwise."""
    ring = engine.ring
    if ring.is_alone and not engine.is_frozen and ring.log.highest < engine.config.sequence_limit:
        change.shun(engine)
        engine.membership.install(ring.members)
        engine.move(Cause.ALONE_AGAIN)
        operational.resume(engine)
    else:
        committing.form(engine)


# Frames


def on_data(engine: "Engine", sender: int, frame: Data | Recovered) -> None:
    """A message. The old ring's still count, until we have published what we hold of it."""
    if frame.ring != engine.ring.id:
        change.on_foreign(engine, sender, frame)
    elif engine.is_frozen:
        engine.drop("of the old ring, which is frozen", sender, frame)
    elif reception.take(engine, sender, frame):
        engine.deliver_ready()


def on_commit(engine: "Engine", sender: int, commit: Commit) -> None:
    """The representative formed the ring that we want."""
    try:
        table = commit.entries()
    except MalformedFrame as error:
        engine.drop(error.reason, sender, commit)
        return
    members = tuple(entry.member for entry in table)
    if engine.is_flushing:
        engine.drop("of the time while we were paused", sender, commit)
    elif members != engine.membership.wanted or engine.me not in members:
        engine.drop("commit token of a ring we do not want", sender, commit)
    elif commit.ring_sequence <= engine.my_ring.sequence:
        engine.drop("commit token of the past", sender, commit)
    elif commit.hop != members.index(engine.me) or commit.hop == 0:
        engine.drop("commit token that is not ours to pass on", sender, commit)
    elif not all(entry.is_filled for entry in table[: commit.hop]):
        engine.drop("commit token with a gap", sender, commit)
    else:
        committing.take_part(engine, commit, table)


def drop(engine: "Engine", sender: int, frame: Token | HoldCancel) -> None:
    # A regular token must not be taken once we have left the ring: after a restart others may have
    # formed one of the same name (corosync d99fba72).
    engine.drop("token while gathering", sender, frame)


# Timers and hints


def on_consensus_timer(engine: "Engine") -> None:
    """Time is up for those who have not agreed."""
    membership = engine.membership
    if not membership.is_agreed:
        membership.fail_silent()
        change.gather(engine, Cause.CONSENSUS_MISSED)
    elif membership.wanted == (engine.me,):
        be_alone(engine)
    elif membership.is_mine_to_form:
        engine.settles_ns = engine.now
    else:
        # They agree, so the representative must form the ring now. Whoever says nothing from here
        # on may have died.
        engine.awaits_commit = True
        membership.joins.clear()
        membership.agreed = {engine.me}
        engine.arm(Timer.TOKEN_LOSS, engine.config.token_loss_ns)


def on_commit_lost(engine: "Engine") -> None:
    """The ring we agreed on did not come."""
    membership = engine.membership
    if not membership.is_agreed:
        membership.fail_silent()
    membership.ring_failed()
    change.gather(engine, Cause.COMMIT_LOST)


def on_unreachable(engine: "Engine", peer: int) -> None:
    """The network says what the consensus timer would say later."""
    membership = engine.membership
    if peer in membership.processes - membership.agreed and membership.fail(peer):
        change.gather(engine, Cause.PEER_UNREACHABLE)


ON_FRAME: OnFrame = {
    Data: on_data,
    Recovered: on_data,
    Token: drop,
    Join: change.on_join_gathering,
    Commit: on_commit,
    Merge: change.on_merge,
    HoldCancel: drop,
}
ON_TIMER: OnTimer = {
    Timer.JOIN: change.say_join,
    Timer.CONSENSUS: on_consensus_timer,
    Timer.SETTLE: lambda engine: None,  # go_on looks at the time
    Timer.TOKEN_LOSS: on_commit_lost,
}
