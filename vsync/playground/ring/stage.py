"""The stage: five members on a ring that can be cut, killed and healed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from clocksync.runtime.history import Event
from clocksync.runtime.units import MILLISECOND, SECOND
from vsync.check import judge
from vsync.dashboard.translating import Share, Translator
from vsync.identity import Service
from vsync.playground.ring import words
from vsync.playground.ring.judged import verdict
from vsync.playground.ring.waiting import Waiting
from vsync.playground.ring.words import braced, said
from vsync.playground.ring.world import (
    COUNT,
    FORMS_WITHIN_NS,
    HISTORY_MAX,
    RingWorld,
)
from vsync.playground.stage import Action, Control, Message, NotPossible, Scene
from vsync.states import Cause, State

PACE = 0.05
STEP_NS = 2 * MILLISECOND
"""What waits for what is looked at so often."""

CONTROLS = (
    Control("agreed", "Send AGREED", "lane", "It is delivered as soon as its place is certain."),
    Control("safe", "Send SAFE", "lane", "It is delivered when every member has it."),
    Control("kill", "Kill", "lane", "Its process ends at once; only its disk stays."),
    Control("restart", "Restart", "lane", "Its program starts again, with what its disk kept."),
    Control("wiped", "Restart, disk lost", "lane", "Its program starts again, and knows nothing."),
    Control("pause", "Stop for a while", "lane", "As if its machine hung; nothing is lost."),
    Control("resume", "Go on", "lane", "A member that was stopped runs again."),
    Control("leave", "Leave", "lane", "It says goodbye, when all it has sent is delivered."),
    Control("cut", "Cut one way", "pair", "Nothing gets from the one to the other any more."),
    Control("cut_both", "Cut both ways", "pair", "Nothing passes between the two any more."),
    Control("mend", "Mend", "pair", "The two hear each other again."),
    Control(
        "split", "Split the network", "side", "Cut every link between those chosen and the rest."
    ),
    Control("heal", "Heal all links", "button", "Mend every link; who is dead stays dead."),
    Control("trickle", "Traffic on / off", "button", "Somebody sends something now and then."),
    Control("judge", "Ask the judge", "button", "Check all that happened against every rule."),
)

INTRO = (
    "Five members on a ring, each the real program, in a network that is made up and slow enough to"
    " watch. Click a member or a link."
)


@dataclass(frozen=True, slots=True)
class _Life:
    """What a member can be asked to do, by its condition."""

    up: ClassVar[tuple[str, ...]] = ("agreed", "safe", "kill", "pause", "leave")
    paused: ClassVar[tuple[str, ...]] = ("resume", "kill")
    down: ClassVar[tuple[str, ...]] = ("restart", "wiped")
    left: ClassVar[tuple[str, ...]] = ("restart", "wiped")


class RingStage:
    """See the module's text.

    Args:
        seed: of everything that is drawn.
        options: ``{"formed": False}``: begin with five strangers; else they are on one ring.
    """

    name = "ring"
    title = "Five members on a ring"
    intro = INTRO
    pace = PACE
    controls: Sequence[Control] = CONTROLS
    scenes: Sequence[Scene] = ()

    def __init__(self, seed: int | str = 0, options: Action | None = None) -> None:
        self._world = RingWorld(seed)
        self._forms_first = bool((options or {}).get("formed", True))
        self._waiting = Waiting(self._world)
        self._origin_ns = 0
        self._translator = Translator(Share(), origin_ns=0)
        self.history: list[Event] = []
        """For the judge; empty when it became too long."""
        self._is_too_long = False
        self._before: dict[int, tuple[int, ...]] = {}
        self._old: dict[int, str] = {}
        self._trouble: dict[str, str] = {}
        """Of each ring: who gave it up first, and why."""
        self._said: dict[tuple[Any, ...], None] = {}
        self._told: dict[tuple[str, int], object] = {}

    # What a stage does

    def begin(self) -> list[Message]:
        """What there is at time 0: unless asked otherwise, a ring of five."""
        world = self._world
        if self._forms_first:
            formed = world.group.world.run_until(world.is_one_ring, FORMS_WITHIN_NS)
            assert formed, "five members that hear each other form a ring"
            step = -(-world.now // STEP_NS) * STEP_NS
            world.run(step)
        self._origin_ns = world.now
        self._translator.origin_ns = world.now
        list(world.flights(0))  # nobody saw them
        world.moves.clear()
        found = [message | {"at_s": 0.0} for message in self._events(newest_only=True)]
        return [*found, *self._states(0.0), *self._waiting.news(0.0)]

    def advance(self, to_s: float) -> list[Message]:
        """Let time pass. However it is divided, the same is told."""
        told: list[Message] = []
        to = self._origin_ns + round(to_s * SECOND)
        while self._world.now < to:
            until = min(to, (self._world.now // STEP_NS + 1) * STEP_NS)
            self._world.run(until)
            if until % STEP_NS == 0:
                told += self._news()
        return told

    def act(self, action: Action) -> list[Message]:
        """Do what was clicked.

        Raises:
            NotPossible: it cannot be done now, or it is none of ours.
        """
        does = _ACTIONS.get(str(action.get("do")))
        if does is None:
            raise NotPossible("there is no such thing to do here")
        title, text = does(self, action)
        return [said(self._now_s, title, text), *self._news()] if title else self._judged()

    # What happened

    @property
    def _now_s(self) -> float:
        return (self._world.now - self._origin_ns) / SECOND

    def _news(self) -> list[Message]:
        now = self._now_s
        told = list(self._world.flights(self._origin_ns))
        told += self._moves()
        told += self._events()
        told += self._states(now)
        told += self._waiting.news(now)
        return told

    def _events(self, newest_only: bool = False) -> list[Message]:
        """What the history has that is new; with `newest_only`, what is left of it at its end."""
        told: list[Message] = []
        history = self._world.group.history
        for event in history:
            label = self._waiting.saw(event)
            if not newest_only and event["event"] == "configuration":
                told += self._configured(event)
            for message in self._translator.event(event):
                told.append(message | {"label": label} if label else message)
            if event["event"] == "configuration" and event["kind"] == "regular":
                self._before[event["node"]] = tuple(event["members"])
        self._keep(history)
        history.clear()
        if newest_only:
            last = {(one["kind"], one["node"]): one for one in told if one.get("is_regular", True)}
            told = list(last.values())
        return told

    def _keep(self, events: Iterable[Event]) -> None:
        if not self._is_too_long:
            self.history.extend(events)
            if len(self.history) > HISTORY_MAX:
                self.history.clear()
                self._is_too_long = True

    def _states(self, at_s: float) -> list[Message]:
        """How members and links are, where that is different from what was told."""
        told = []
        for me in self._world.members:
            condition = self._world.condition(me)
            is_up = condition == "up"
            engine = self._world.engine(me)
            state = words.STATES[engine.state] if is_up else condition
            now = {
                "kind": "member",
                "node": me,
                "state": state,
                "queued": len(engine.outbox) if condition != "down" else 0,
            }
            can = {"kind": "can", "lane": me, "names": list(getattr(_Life, condition))}
            for message in (now, can):
                if self._told.get((str(message["kind"]), me)) != message:
                    self._told[str(message["kind"]), me] = message
                    told.append({**message, "at_s": at_s})
        for pair in ((a, b) for a in self._world.members for b in self._world.members if a != b):
            is_cut = self._world.is_cut(*pair)
            key = f"link {pair[0]}", pair[1]
            if self._told.get(key) != is_cut:
                self._told[key] = is_cut
                link = {"kind": "link", "from": pair[0], "to": pair[1], "is_cut": is_cut}
                told.append({**link, "at_s": at_s})
        return told

    def _moves(self) -> list[Message]:
        told = []
        for at, who, move in self._world.moves:
            at_s = (at - self._origin_ns) / SECOND
            engine = self._world.engine(who)
            if move.after is State.COMMIT:
                key: tuple[Any, ...] = "commit", engine.my_ring
                found: tuple[str, str] | None = words.agreed(engine.members)
            elif move.after is State.RECOVERY:
                key, found = ("recovery", engine.my_ring), words.recovering(engine.members)
                found = None if len(engine.members) == 1 else found
            elif move.cause in (Cause.BOOTED, Cause.JOIN_HEARD) and move.before is State.GATHER:
                continue
            else:
                cause = "asked" if move.cause is Cause.JOIN_HEARD else move.cause
                key, found = ("moved", engine.ring.id, cause), words.moved(who, move.cause)
                if found is not None and move.before is State.OPERATIONAL:
                    self._trouble.setdefault(str(engine.ring.id), found[0])
                if move.cause is Cause.JOIN_HEARD:
                    found = None  # it follows from what was said of another
            if found is not None and self._is_news(key):
                told.append(said(at_s, *found))
        self._world.moves.clear()
        return told

    def _configured(self, event: Event) -> list[Message]:
        if event["kind"] == "transitional":
            self._old[event["node"]] = event["ring"]
        if not self._is_news(("configuration", event["id"])):
            return []
        before = self._before.get(event["node"], ())
        at_s = (event["at"] - self._origin_ns) / SECOND
        if event["kind"] == "transitional" and len(before) == 1:
            return []  # from a ring of one nobody comes along
        trouble = self._trouble.get(self._old.get(event["node"], ""), "")
        return [said(at_s, *words.configured(event, before, trouble))]

    def _is_news(self, key: tuple[Any, ...]) -> bool:
        if key in self._said:
            return False
        self._said[key] = None
        if len(self._said) > 500:
            del self._said[next(iter(self._said))]
        return True

    def _judged(self) -> list[Message]:
        if self._is_too_long:
            raise NotPossible("this world has become too long for the judge: begin anew")
        return [verdict(self._now_s, judge(self.history), self._waiting.labels)]

    # What can be done

    def _lane(self, action: Action, name: str = "lane") -> int:
        lane = action.get(name)
        if type(lane) is not int or lane not in self._world.members:
            raise NotPossible(f"there is no member {lane!r}: 1 to {COUNT}")
        return lane

    def _pair(self, action: Action) -> tuple[int, int]:
        one, other = self._lane(action, "from"), self._lane(action, "to")
        if one == other:
            raise NotPossible("a link is between two members")
        return one, other

    def _needs(self, me: int, *conditions: str) -> None:
        condition = self._world.condition(me)
        if condition not in conditions:
            words = {"up": "runs", "paused": "is stopped", "down": "is dead", "left": "has left"}
            raise NotPossible(f"{me} {words[condition]}: that cannot be done now")

    def _send(self, action: Action, service: Service) -> tuple[str, str]:
        me = self._lane(action)
        self._needs(me, "up")
        if not self._world.submit(me, service):
            raise NotPossible(f"{me} is about to leave, and sends nothing new")
        engine = self._world.engine(me)
        if engine.ring.is_alone and engine.state is State.OPERATIONAL:
            return f"{me} sends", "It is alone: nobody else has to have it."
        rest = (
            "All deliver it at the same place."
            if service is Service.AGREED
            else "All deliver it at the same place, and not before each of them has it."
        )
        return (
            f"{me} wants to send",
            f"{service.value.upper()}. It waits for the token, which gives it its number. {rest}",
        )

    def _agreed(self, action: Action) -> tuple[str, str]:
        return self._send(action, Service.AGREED)

    def _safe(self, action: Action) -> tuple[str, str]:
        return self._send(action, Service.SAFE)

    def _kill(self, action: Action) -> tuple[str, str]:
        me = self._lane(action)
        self._needs(me, "up", "paused")
        self._world.kill(me)
        return (
            f"You killed {me}",
            "Nobody is told. The others notice when the token does not come back in time.",
        )

    def _restart(self, action: Action, keeps_disk: bool = True) -> tuple[str, str]:
        me = self._lane(action)
        self._needs(me, "down", "left")
        self._world.restart(me, keeps_disk)
        first = "It finds on its disk which numbers it may not use again, and waits until the times"
        return f"You started {me} again", (
            f"{first} it may have given out have passed."
            if keeps_disk
            else "Its disk is empty: it begins as if it had never been there."
        )

    def _wiped(self, action: Action) -> tuple[str, str]:
        return self._restart(action, keeps_disk=False)

    def _pause(self, action: Action) -> tuple[str, str]:
        me = self._lane(action)
        self._needs(me, "up")
        self._world.pause(me)
        return (
            f"You stopped {me}",
            "It does not know. Seen from the others there is no difference to a dead one; when it"
            " goes on, it must notice what it has missed.",
        )

    def _resume(self, action: Action) -> tuple[str, str]:
        me = self._lane(action)
        self._needs(me, "paused")
        self._world.resume(me)
        return f"{me} goes on", "What waited for it comes all at once."

    def _leave(self, action: Action) -> tuple[str, str]:
        me = self._lane(action)
        self._needs(me, "up")
        self._world.leave(me)
        return f"{me} wants to leave", "What it has sent is delivered first; then it says goodbye."

    def _cut(self, action: Action) -> tuple[str, str]:
        one, other = self._pair(action)
        if not self._world.cut([(one, other)]):
            raise NotPossible(f"the link {one} → {other} is cut already")
        return (
            f"You cut {one} → {other}",
            f"What {one} sends does not reach {other}; back it does. What {other} misses it asks"
            " for with the token, and anybody who has it sends it again.",
        )

    def _cut_both(self, action: Action) -> tuple[str, str]:
        one, other = self._pair(action)
        if not self._world.cut([(one, other), (other, one)]):
            raise NotPossible(f"the link between {one} and {other} is cut already")
        return (
            f"You cut the link {one} – {other}",
            "If the token goes that way, it is lost. Else what one of them misses comes again from"
            " somebody else.",
        )

    def _mend(self, action: Action) -> tuple[str, str]:
        one, other = self._pair(action)
        if not self._world.mend([(one, other), (other, one)]):
            raise NotPossible(f"the link between {one} and {other} is whole")
        return f"You mended {one} – {other}", "They hear each other again."

    def _split(self, action: Action) -> tuple[str, str]:
        lanes = action.get("lanes")
        if not isinstance(lanes, list) or not all(lane in self._world.members for lane in lanes):
            raise NotPossible("choose the members of one side")
        side = sorted(set(lanes))
        rest = [me for me in self._world.members if me not in side]
        if not side or not rest:
            raise NotPossible("each side needs a member: choose some, not all")
        ways = [(a, b) for a in side for b in rest]
        self._world.mend(self._world.cuts())
        self._world.cut([*ways, *((b, a) for a, b in ways)])
        return (
            f"You split {braced(side)} from {braced(rest)}",
            "No member can tell a dead machine from a cut link. Each side goes on by itself, with"
            " its own ring and its own order.",
        )

    def _heal(self, action: Action) -> tuple[str, str]:
        mended = self._world.mend(self._world.cuts())
        if not mended:
            raise NotPossible("all links are whole")
        return "You healed all links", "When one ring hears the other announce itself, they merge."

    def _trickle(self, action: Action) -> tuple[str, str]:
        wanted = action.get("on", not self._world.trickles)
        if type(wanted) is not bool:
            raise NotPossible("on is true or false")
        self._world.trickle(wanted)
        if wanted:
            return "Traffic", "Somebody sends something now and then, a third of it SAFE."
        return "No more traffic", "What is under way still arrives."

    def _judge(self, action: Action) -> tuple[str, str]:
        return "", ""


_ACTIONS: Mapping[str, Callable[[RingStage, Action], tuple[str, str]]] = {
    "agreed": RingStage._agreed,
    "safe": RingStage._safe,
    "kill": RingStage._kill,
    "restart": RingStage._restart,
    "wiped": RingStage._wiped,
    "pause": RingStage._pause,
    "resume": RingStage._resume,
    "leave": RingStage._leave,
    "cut": RingStage._cut,
    "cut_both": RingStage._cut_both,
    "mend": RingStage._mend,
    "split": RingStage._split,
    "heal": RingStage._heal,
    "trickle": RingStage._trickle,
    "judge": RingStage._judge,
}
