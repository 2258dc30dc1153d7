"""What only somebody who sees into all members can check, while it happens.

The rules that a history shows are judged from histories (:mod:`vsync.check`); these are the others:

- D7: when a safe message is delivered in a regular configuration, every member has it;
- D8: a regular configuration delivers the ring's messages without leaving any out, from the first;
- D9: once a ring is installed, nothing of the ring before it is delivered;
- T5: while all clocks are right and three or more are on the ring, stamps carry no flag, and
  their bounds are no wider than clocks and rotation explain;
- and a sign of a broken recovery that the engine survives: a hole where a member delivered.
"""

from vsync.events import (
    Configuration,
    Effect,
    Kind,
    Messages,
    Moved,
    Ordered,
    Promised,
    SendTo,
    TimeRefused,
)
from vsync.identity import RingId, Service
from vsync.simulation.group import CLOCK_ERROR_NS, Group
from vsync.simulation.node import RingNode

EXCUSED_ERROR_NS = 4 * CLOCK_ERROR_NS
"""Two clocks' errors either way: that of the stamp, and that of one that was forced above."""


class Watch:
    """Sees every effect of every member of a group; complaints are kept in `violations`."""

    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []
        """Rule, and what is wrong."""
        self.group: Group | None = None
        self.refused = 0
        self._carrying: dict[RingId, list[int]] = {}
        self._members: dict[RingId, tuple[int, ...]] = {}
        self._reached: dict[tuple[RingId, int], int] = {}
        self._next: dict[tuple[RingId, int], int] = {}
        self._installed: dict[RingNode, RingId] = {}

    def see(self, node: RingNode, effect: Effect) -> None:
        """One effect, before it is carried out."""
        match effect:
            case Ordered():
                numbers = self._carrying.setdefault(effect.ring, [])
                if effect.handles:
                    numbers.append(effect.sequence)
            case Configuration(kind=Kind.REGULAR):
                self._members[effect.ring] = effect.members
                self._installed[node] = effect.ring
            case Messages():
                self._check_delivery(node, effect)
            case Moved() | Promised() | SendTo():
                # With a token others learn what it has; the others are the last look at an old
                # ring: it is frozen, or complete, and about to be replaced.
                self._note_reached(node)
            case TimeRefused():
                self.refused += 1

    def _note_reached(self, node: RingNode) -> None:
        engine = node.engine
        rings = [engine.ring] if engine.recovery is None else [engine.ring, engine.recovery.ring]
        for ring in rings:
            key = (ring.id, node.me)
            if ring.log.contiguous > self._reached.get(key, 0):
                self._reached[key] = ring.log.contiguous

    def note_all(self) -> None:
        """Look at every member: what arrived without any effect counts too."""
        assert self.group is not None, "a watch belongs to a group"
        for me in self.group.members:
            if self.group.runs(me):
                self._note_reached(self.group.node(me))

    def _check_delivery(self, node: RingNode, messages: Messages) -> None:
        where = f"node {node.me}, message {messages.ring}/{messages.sequence}"
        if messages.ring != self._installed.get(node):
            self._complain("D9", f"{where}: of a ring before the installed one")
        if not messages.configuration.startswith("R"):
            return
        self._check_dense(node, messages, where)
        if messages.service is Service.SAFE:
            self.note_all()
            lacking = [
                member
                for member in self._members.get(messages.ring, ())
                if self._reached.get((messages.ring, member), 0) < messages.sequence
            ]
            if lacking:
                self._complain("D7", f"{where}: safe, and {lacking} do not have it")
        self._check_time(messages, where)

    def _check_dense(self, node: RingNode, messages: Messages, where: str) -> None:
        key = (messages.ring, node.me)
        at = self._next.get(key, 0)
        carrying = self._carrying.get(messages.ring, [])
        if at >= len(carrying) or carrying[at] != messages.sequence:
            expected = carrying[at] if at < len(carrying) else "none"
            self._complain("D8", f"{where}: the next one is {expected}")
        self._next[key] = at + 1

    def _check_time(self, messages: Messages, where: str) -> None:
        group = self.group
        assert group is not None, "a watch belongs to a group"
        if group.clock_steps or len(self._members.get(messages.ring, ())) < 3:
            return
        excused = EXCUSED_ERROR_NS + round(4 * group.world.now * group.drift_ppm / 1_000_000)
        if messages.flags:
            self._complain("T5", f"{where}: {messages.flags}, and all clocks are right")
        elif messages.error > excused:
            self._complain("T5", f"{where}: a bound of {messages.error} ns with all clocks right")

    def finish(self) -> None:
        """What shows at the end."""
        assert self.group is not None, "a watch belongs to a group"
        for me in self.group.members:
            if self.group.world.node(me).started:
                holes = self.group.node(me).engine.dropped["a member's delivery of what nobody has"]
                if holes:
                    self._complain("D4", f"node {me}: {holes} recoveries with a hole")

    def finish_quiet(self) -> None:
        """P2: all was healed and has settled, so all who run are on one ring, unless somebody's
        timestamps were refused."""
        group = self.group
        assert group is not None, "a watch belongs to a group"
        running = [me for me in group.members if group.runs(me)]
        rings = {str(group.node(me).engine.ring.id) for me in running}
        if len(rings) > 1 and not self.refused:
            self._complain(
                "P2", f"all is healed, and {len(running)} members are on {len(rings)} rings"
            )

    def _complain(self, rule: str, what: str) -> None:
        if len(self.violations) < 20:
            self.violations.append((rule, what))
