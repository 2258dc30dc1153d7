"""Totally ordered updates by Lamport stamps: who acknowledges what, when, and why.

Three acts, without any network, so that every step can be read:

1. The lecture's case: (m, 1.1) at P1 and (n, 1.2) at P2 are concurrent. Both carry out m, then n.
2. A third update o of P3 beside them: P1 does not acknowledge it before m is done, P2 not before n.
3. m = (6, P1) and n = (1, P2): stamps and identifiers disagree. Comparing identifiers only, as it
   is often taught, each process waits for the other for ever; comparing whole stamps, nobody does.

Run it::

    python examples/sparing_acknowledgement.py
"""

from dataclasses import dataclass, field

from ordering.multicast.acknowledgement import Rule
from ordering.multicast.lamport import LamportOrder

Stamp = tuple[int, int]


@dataclass
class Story:
    """What happened: lines to read, and what each process carried out."""

    lines: list[str] = field(default_factory=list)
    done: dict[int, list[str]] = field(default_factory=dict)


def tell(rule: Rule, updates: dict[str, Stamp]) -> Story:
    """Let every update be multicast at once, at its stamp, and pass messages on until all is still.

    `updates` names each update and gives its stamp (time, process).
    """
    members = range(1, max(process for _, process in updates.values()) + 1)
    orders = {member: LamportOrder(member, members, rule) for member in members}
    story = Story(done={member: [] for member in members})
    for name, (time, process) in updates.items():
        orders[process].time = time - 1
        orders[process].multicast([name.encode()])
        story.lines.append(f"P{process} multicasts ({name}, {time}.{process})")
    for order in orders.values():
        order.reasons = []
    while any(order.outgoing for order in orders.values()):  # the messages of one round
        sent = {member: order.outgoing for member, order in orders.items()}
        for order in orders.values():
            order.outgoing = []
        for member, order in orders.items():
            for sender, records in sent.items():
                for kind, body in records if sender != member else []:
                    order.receive(sender, kind, body)
            order.settle()
            story.lines += order.reasons or []
            order.reasons = []
            for batch in order.delivered:
                story.done[member] += [message.decode() for message in batch.messages]
            order.delivered = []
    for name, (time, process) in updates.items():
        named = f"({name}, {time}.{process})"
        story.lines = [line.replace(f"({time}, P{process})", named) for line in story.lines]
    return story


def main() -> None:
    """Tell all three acts."""
    print("1. The lecture's case: (m, 1.1) and (n, 1.2) are concurrent.\n")
    _print(tell(Rule.SPARING, {"m": (1, 1), "n": (1, 2)}))
    print("2. A third update o beside them.\n")
    _print(tell(Rule.SPARING, {"m": (1, 1), "n": (1, 2), "o": (1, 3)}))
    disagree = {"m": (6, 1), "n": (1, 2)}
    print("3. Stamps and identifiers disagree. Comparing identifiers only:\n")
    _print(tell(Rule.IDENTIFIERS_ONLY, disagree))
    print("   Comparing whole stamps:\n")
    _print(tell(Rule.SPARING, disagree))


def _print(story: Story) -> None:
    for line in story.lines:
        print(f"   {line}")
    for member, done in story.done.items():
        print(f"   P{member} has carried out: {', '.join(done) or 'nothing, and never will'}")
    print()


if __name__ == "__main__":
    main()
