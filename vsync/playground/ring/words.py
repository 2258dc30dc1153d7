"""What happens on the ring, in words: one sentence for each thing worth one."""

from collections.abc import Sequence
from typing import Any

from vsync.playground.stage import Message
from vsync.states import Cause, State

CAUSES: dict[Cause, tuple[str, str]] = {
    Cause.BOOTED: (
        "{who} starts",
        "It is alone in a configuration of its own, and asks who else is there.",
    ),
    Cause.TOKEN_LOST: (
        "{who} lost the token",
        "The token did not come back in time: somebody on the ring is gone or cut off. {who} "
        "asks all it can reach for a new ring.",
    ),
    Cause.FOREIGN_MESSAGE: (
        "{who} hears strangers",
        "A message of another ring was heard: others are in reach. {who} asks everybody for a"
        " new ring.",
    ),
    Cause.MERGE_HEARD: (
        "{who} hears another ring",
        "Each ring announces itself now and then, should anybody be there to hear it. "
        "Somebody is: {who} asks for one ring of all.",
    ),
    Cause.JOIN_HEARD: (
        "{who} is asked for a new ring",
        "A process asked for a new ring, and {who} takes part.",
    ),
    Cause.LEAVE_HEARD: (
        "{who} hears a goodbye",
        "A member said that it leaves: a new ring is formed without it, at once.",
    ),
    Cause.MEMBER_DEAF: (
        "{who} sees that a member is deaf",
        "Messages were sent to it again and again, and it did not receive them: it holds up "
        "all others, and is left out.",
    ),
    Cause.SEQUENCE_LIMIT: (
        "{who} starts the numbers anew",
        "The ring ran out of sequence numbers.",
    ),
    Cause.CONSENSUS_MISSED: (
        "{who} gives up who is silent",
        "Not everybody answered in time. Who did not is no candidate for the new ring any more.",
    ),
    Cause.ALONE_AGAIN: (
        "{who} is alone",
        "Nobody answered.",
    ),
    Cause.COMMIT_LOST: (
        "{who} tries again",
        "The commit token did not come in time.",
    ),
    Cause.RECOVERY_LOST: (
        "{who} tries again",
        "The token was lost while the old ring was recovered.",
    ),
    Cause.RECOVERY_ENDLESS: (
        "{who} tries again",
        "Recovery did not end.",
    ),
    Cause.TIME_REFUSED: (
        "{who} refuses a clock",
        "A member's timestamps are absurdly ahead.",
    ),
    Cause.LEAVING: (
        "{who} parts from the ring",
        "It has told the others, and goes on alone to deliver what is left.",
    ),
    Cause.LEFT: (
        "{who} has left",
        "All it had sent was delivered first.",
    ),
}

AGREED_ON = (
    "All have said the same members. A <b>commit token</b> goes round them twice: it collects what"
    " each has of the old ring, and tells all."
)
RECOVERS = (
    "On the new ring they first send each other what some of them miss of the old one. When all"
    " have the same, the new configuration is told to the applications."
)
FORWARD = (
    "Everything they share is delivered before it; what was SAFE and could not be known to be"
    " everywhere follows in it. It holds exactly those who come <b>from the same old ring"
    " together</b>: within it nobody misses anything."
)


def listed(members: Sequence[int]) -> str:
    """Members as people list them.

    >>> listed([1]), listed([1, 2]), listed([1, 2, 4])
    ('1', '1 and 2', '1, 2 and 4')
    """
    if len(members) < 2:
        return "".join(map(str, members))
    return ", ".join(map(str, members[:-1])) + f" and {members[-1]}"


def braced(members: Sequence[int]) -> str:
    """A configuration, as papers write it."""
    return "{" + ",".join(map(str, members)) + "}"


def said(at_s: float, title: str, text: str, verdict: str | None = None) -> Message:
    """Something to read."""
    return {"kind": "say", "at_s": at_s, "title": title, "text": text, "verdict": verdict}


def moved(who: int, cause: Cause) -> tuple[str, str] | None:
    """Why a member gave up its state: a title and a sentence."""
    found = CAUSES.get(cause)
    return found and (found[0].format(who=who), found[1].format(who=who))


def agreed(members: Sequence[int]) -> tuple[str, str]:
    """Members begin to form a ring."""
    if len(members) == 1:
        return f"{members[0]} goes on alone", "A ring of one: it hears nobody else."
    return f"{listed(members)} agree on a ring", AGREED_ON


def recovering(members: Sequence[int]) -> tuple[str, str]:
    """Members of the ring being formed exchange messages."""
    return f"{listed(members)} bring each other up to date", RECOVERS


def configured(event: dict[str, Any], before: Sequence[int], trouble: str = "") -> tuple[str, str]:
    """A configuration, as the first member that is told of it sees it.

    Args:
        before: those it was with till then.
        trouble: who gave the ring before it up first, and why; else the event's own reason counts.
    """
    members = event["members"]
    if event["kind"] == "transitional":
        return f"Transitional configuration {braced(members)}", FORWARD
    joined = [member for member in members if member not in before]
    left = [member for member in before if member not in members]
    parts = []
    if left:
        parts.append(f"without {listed(left)}")
    if joined and len(before) > 1:
        parts.append(f"with {listed(joined)} again")
    what = f"The new ring is there{', ' if parts else ''}{' and '.join(parts)}. "
    return (
        f"New configuration {braced(members)}",
        f"{what}Why: {trouble or event['reason']}. All its members are told of it at the same place"
        " between messages.",
    )


STATES: dict[State, str] = {
    State.IDLE: "idle",
    State.OPERATIONAL: "on a ring",
    State.GATHER: "seeks a ring",
    State.COMMIT: "agrees",
    State.RECOVERY: "recovers",
}
