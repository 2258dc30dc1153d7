"""Taking what arrives on a ring, installed or being recovered: is it ours, is it new, can it be?"""

from typing import TYPE_CHECKING

from vsync.frames import LINGERS, NOBODY, Data, Token
from vsync.ring import Ring
from vsync.states import Timer
from vsync.store import Entry

if TYPE_CHECKING:
    from vsync.engine import Engine


def present_ring(engine: "Engine") -> Ring:
    """The ring whose token we take."""
    return engine.ring if engine.recovery is None else engine.recovery.ring


def take(engine: "Engine", sender: int, frame: Entry) -> bool:
    """Put a message of the present ring into its log; whether it was new."""
    ring = present_ring(engine)
    # While we hold the token nobody else gives out numbers.
    held = engine.held or engine.lingering.kept
    is_beyond = held is not None and frame.sequence > held.sequence
    if is_beyond or frame.origin not in ring.members or not ring.takes(frame):
        engine.drop("impossible number or origin", sender, frame)
        return False
    if isinstance(frame, Data):
        engine.stamper.saw(frame.last_timestamp)
    if not ring.log.add(frame):
        engine.dropped["message that is here already"] += 1
        return False
    if frame.sequence == ring.log.highest:
        lingers = isinstance(frame, Data) and frame.flags & LINGERS
        ring.lingerer = frame.origin if lingers else NOBODY
    last = ring.last_token
    # Only somebody behind us on the ring can have given out a higher number than our token held.
    if last is not None and frame.sequence > last.sequence:
        engine.cancel(Timer.TOKEN_RETRANSMIT)
    return True


def accept(engine: "Engine", sender: int, token: Token) -> bool:
    """Whether to visit a token: it is of our ring, was not here before, and can be true."""
    ring = present_ring(engine)
    if token.ring != ring.id:
        engine.drop("token of another ring", sender, token)
    elif not ring.is_fresh(token):
        # It must not touch any timer (corosync b8878d2e).
        engine.drop("token that was here already", sender, token)
    elif ring.is_alone or not ring.is_possible(token):
        engine.drop("impossible token", sender, token)
    elif sender != ring.predecessor:
        # Whoever is on the path may send a copy of it to another member, without any key.
        engine.drop("token from somebody else than the member before us", sender, token)
    else:
        ring.token_sequence = token.token_sequence
        ring.lingerer = NOBODY
        engine.stamper.saw(token.timestamp)
        engine.arm(Timer.TOKEN_LOSS, engine.config.token_loss_ns)
        engine.cancel(Timer.TOKEN_RETRANSMIT)
        return True
    return False
