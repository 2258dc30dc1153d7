"""A history, taken apart: incarnations, the configurations each went through, and the messages.

What is no event of the format (``docs/history.md``) is a :class:`MalformedHistory`; what is one and
cannot be is a violation, found by the rules. Messages and rings become small numbers here, so that
the rules compare integers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from clocksync.runtime.history import Event, MalformedHistory
from vsync.check.verdict import KEPT_PER_RULE, Place, Verdict, Violation, one_line

AGREED, SAFE = "agreed", "safe"
BEYOND = 10**40
"""No integer of a history is as large."""


@dataclass(slots=True)
class Span:
    """One configuration in the life of one incarnation, and what happened in it."""

    id: str
    is_regular: bool
    ring: str
    ring_seq: int
    members: tuple[int, ...]
    timestamp: int
    error: int
    line: int
    sends: list[int] = field(default_factory=list)
    delivers: list[int] = field(default_factory=list)
    """Messages, by number."""
    deliver_lines: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    """Both in order: a delivery is the message's number, a sending its complement."""
    observed: list[tuple[int, int, int]] = field(default_factory=list)
    """Timestamps of elsewhere: after how many steps, the timestamp, the line."""


@dataclass(slots=True)
class Life:
    """One incarnation of one node."""

    node: int
    name: str
    index: int
    line: int
    lost: bool
    spans: list[Span] = field(default_factory=list)
    submits: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Handle, and its line, service and digest."""
    sent_handles: dict[str, int] = field(default_factory=dict)
    """Handle, and the message it became."""
    promises: list["Promise"] = field(default_factory=list)
    ended: str = ""
    """How: ``crash``, ``leave``, or not."""
    end_line: int = 0


@dataclass(slots=True)
class Promise:
    """That the recovery on a ring is complete."""

    ring: str
    obligations: tuple[int, ...]
    line: int
    span: Span
    """The configuration it was made in."""
    steps: int
    """How much was done in it before."""


@dataclass(slots=True)
class Message:
    """One message, by what was said of it first."""

    name: str
    ring: str
    place: tuple[int, int]
    """Its order in the ring."""
    sender: Life | None = None
    sent_in: Span | None = None
    send_line: int = 0
    service: str = ""
    digest: str = ""
    true_time: int | None = None
    origin: int | None = None
    timestamp: int | None = None
    error: int = 0
    flags: tuple[str, ...] = ()
    deliver_line: int = 0

    @property
    def node(self) -> int | None:
        """Who sent it."""
        return self.sender.node if self.sender is not None else self.origin


class History:
    """A history in memory. Reading it judges what shows while reading (B3, B4, B5, T1)."""

    def __init__(self, events: Iterable[Event], name: str = "history") -> None:
        self.verdict = Verdict()
        self.name = name
        self.lives: list[Life] = []
        self.messages: list[Message] = []
        self.healed_line = 0
        self.quiet_line = 0
        self.changes: list[int] = []
        """The line of every configuration event."""
        self.comings: list[int] = []
        """The line of every boot, crash and leave."""
        self._life: dict[tuple[int, str], Life] = {}
        self._numbers: dict[str, int] = {}
        self._delivered: set[tuple[int, int]] = set()
        self._killed: dict[tuple[int, str], int] = {}
        self._kept: dict[str, int] = {}
        handlers = {
            "boot": self._boot,
            "configuration": self._configuration,
            "submit": self._submit,
            "send": self._send,
            "deliver": self._deliver,
            "recovered": self._recovered,
            "observe": self._observe,
            "crash": self._end,
            "leave": self._end,
        }
        self.events = events if isinstance(events, list) else list(events)
        for line, event in enumerate(self.events, start=1):
            kind = event.get("event") if isinstance(event, dict) else None
            if not isinstance(kind, str):
                raise self.malformed(line, 'no object with a string "event"')
            if kind == "quiet":
                self.verdict.ends_quiet, self.quiet_line = True, line
            elif kind == "healed":
                self.verdict.ends_quiet, self.healed_line = False, line
            elif kind in handlers:
                self.verdict.ends_quiet = False  # what goes on does not end
                self._take(line, event, handlers[kind])
        self._bury()
        self.verdict.events = len(self.events)
        self.present = {life.node for life in self.lives}
        """Nodes whose logs are here."""
        self.verdict.nodes = len(self.present)
        self.verdict.messages = len(self.messages)
        ids = {span.id for life in self.lives for span in life.spans}
        self.verdict.configurations = len(ids)

    def complain(self, rule: str, text: str, *lines: int) -> None:
        """Note a violation."""
        verdict, kept = self.verdict, self._kept.get(rule, 0)
        if kept >= KEPT_PER_RULE:
            verdict.more[rule] = verdict.more.get(rule, 0) + 1
            return
        self._kept[rule] = kept + 1
        places = tuple(self._place(line) for line in dict.fromkeys(lines) if line)
        verdict.violations.append(Violation(rule, one_line(text), places))

    def _place(self, line: int) -> Place:
        event = self.events[line - 1]
        name, number = self._origin(line)
        head = f"node {event.get('node')} {event.get('event')}"
        keys = ("id", "message", "configuration", "members", "timestamp", "service", "ring")
        rest = " ".join(f"{key}={_bare(event[key])}" for key in keys if key in event)
        return Place(number, name, one_line(f"{head} {rest}".rstrip()))

    def _origin(self, line: int) -> tuple[str, int]:
        """The file a line is in, and its number there. Files are told by :func:`read_files`, in a
        tuple: no line of JSON can hold one."""
        event = self.events[line - 1]
        told = event.get("_place") if isinstance(event, dict) else None
        return told if isinstance(told, tuple) else (self.name, line)

    def at(self, line: int, default: int) -> int:
        """When the event says it was."""
        at = self.events[line - 1].get("at")
        return at if isinstance(at, int) and _is_integer(at) else default

    def malformed(self, line: int, what: str) -> MalformedHistory:
        """What is no event, and where."""
        name, number = self._origin(line)
        return MalformedHistory(one_line(f"{name}:{number}: {what}"))

    # Events

    def _take(self, line: int, event: Event, handler: Any) -> None:
        try:
            node, incarnation = event["node"], event["incarnation"]
        except KeyError as error:
            raise self.malformed(line, f"no {error.args[0]!r}") from None
        if not _is_integer(node) or type(incarnation) is not str:
            raise self.malformed(line, '"node" is no integer or "incarnation" no string')
        life = self._life.get((node, incarnation))
        if event["event"] == "boot":
            if life is not None:
                self.complain("B5", f"node {node} boots twice as {incarnation}", life.line, line)
                return
        elif life is None and event["event"] == "crash":
            # Somebody else wrote it, perhaps into a file of his own: no log of the node is here.
            self._killed[node, incarnation] = line
            return
        elif life is None:
            self.complain("B5", f"node {node} acts before it booted", line)
            life = self._born(node, incarnation, line, lost=False)
        elif life.ended:
            how = f"node {node} acts after its {life.ended}"
            self.complain("B5", how, life.end_line, line)
            return
        try:
            handler(line, event, life)
        except KeyError as error:
            raise self.malformed(line, f"{event['event']} without {error.args[0]!r}") from None
        except (TypeError, ValueError) as error:
            raise self.malformed(line, f"{event['event']}: {error}") from None

    def _born(self, node: int, incarnation: str, line: int, lost: bool) -> Life:
        life = Life(node, incarnation, len(self.lives), line, lost)
        self.lives.append(life)
        self._life[node, incarnation] = life
        return life

    def _bury(self) -> None:
        """Who did not end and booted again died, and nobody could write it down.

        Only now: the lines of two incarnations may stand in any order.
        """
        for key, line in self._killed.items():
            life = self._life.get(key)
            if life is None:
                continue
            if self._origin(line)[0] == self._origin(life.line)[0]:
                self.complain("B5", f"node {key[0]} crashes before it booted", line, life.line)
            if not life.ended:
                life.ended, life.end_line = "crash", line
        following: dict[int, Life] = {}
        for life in reversed(self.lives):
            after = following.get(life.node)
            if after is not None and not life.ended:
                life.ended, life.end_line = "crash", after.line
            following[life.node] = life

    def _boot(self, line: int, event: Event, life: Life | None) -> None:
        storage = event["storage"]
        if storage not in ("kept", "lost"):
            raise ValueError(f"storage {_shown(storage)} is neither kept nor lost")
        self.comings.append(line)
        self._born(event["node"], event["incarnation"], line, storage == "lost")

    def _configuration(self, line: int, event: Event, life: Life) -> None:
        kind, members = event["kind"], event["members"]
        if kind not in ("regular", "transitional"):
            raise ValueError(f"kind {_shown(kind)} is neither regular nor transitional")
        if members != sorted(set(_integers(members))):
            raise ValueError("members are no sorted list of numbers")
        life.spans.append(
            Span(
                _text(event["id"]),
                kind == "regular",
                _text(event["ring"]),
                _integer(event["ring_seq"]) if kind == "regular" else 0,
                tuple(members),
                _integer(event["timestamp"]),
                _integer(event["error"]),
                line,
            )
        )
        self.changes.append(line)

    def _submit(self, line: int, event: Event, life: Life) -> None:
        told = line, _service(event), _text(event["digest"])
        life.submits[_handle(event)] = told

    def _number(self, name: object) -> int:
        name = _text(name)
        number = self._numbers.get(name)
        if number is None:
            ring, slash, place = name.rpartition("/")
            sequence, dot, index = place.partition(".")
            if not (slash and ring and _is_number(sequence)) or (dot and not _is_number(index)):
                raise ValueError(f"{_shown(name)} is no message: RING/NUMBER or RING/NUMBER.INDEX")
            number = self._numbers[name] = len(self.messages)
            self.messages.append(Message(name, ring, (int(sequence), int(index or 0))))
        return number

    def _send(self, line: int, event: Event, life: Life) -> None:
        number = self._number(event["message"])
        message = self.messages[number]
        service, digest, handle = _service(event), _text(event["digest"]), _handle(event)
        true_time = event.get("true_time")
        if true_time is not None:
            _integer(true_time)
        if message.sender is not None:
            self.complain("B4", f"{message.name} was sent twice", message.send_line, line)
            return
        message.sender, message.send_line = life, line
        if message.deliver_line and (message.service, message.digest) != (service, digest):
            what = f"{message.name} is delivered as another message"
            self.complain("B3", what, line, message.deliver_line)
        message.service, message.digest, message.true_time = service, digest, true_time
        accepted, *submitted = life.submits.get(handle, (0, service, digest))
        if submitted != [service, digest]:
            what = f"{message.name} is sent as another message than was submitted"
            self.complain("B3", what, accepted, line)
        twin = life.sent_handles.setdefault(handle, number)
        if twin != number:
            other = self.messages[twin]
            what = f"node {life.node} sends submission {handle} as {other.name} and {message.name}"
            self.complain("B4", what, other.send_line, line)
        if not life.spans:
            self.complain("B5", f"node {life.node} sends before its first configuration", line)
            return
        span = life.spans[-1]
        message.sent_in = span
        span.sends.append(number)
        span.steps.append(~number)
        if not span.is_regular:
            self.complain("B5", f"{message.name} was sent in a transitional configuration", line)
        elif span.ring != message.ring:
            self.complain("B3", f"{message.name} was sent in {span.id}, of another ring", line)

    def _deliver(self, line: int, event: Event, life: Life) -> None:
        number = self._number(event["message"])
        message = self.messages[number]
        told = (
            _integer(event["origin"]),
            _service(event),
            _text(event["digest"]),
            _integer(event["timestamp"]),
            _integer(event["error"]),
            tuple(map(_text, _list(event["flags"]))),
        )
        configuration = _text(event["configuration"])
        if not message.deliver_line:
            message.deliver_line = line
            message.origin, _, _, message.timestamp, message.error, message.flags = told
            if message.sender is None:
                message.service, message.digest = told[1], told[2]
        if told[0] != message.origin:
            what = f"{message.name} is delivered as node {message.origin}'s and as node {told[0]}'s"
            self.complain("B3", what, message.deliver_line, line)
        if told[3:] != (message.timestamp, message.error, message.flags):
            what = f"{message.name} has another timestamp, bound or flags elsewhere"
            self.complain("T1", what, message.deliver_line, line)
        if told[1:3] != (message.service, message.digest):
            where = message.send_line or message.deliver_line
            self.complain("B3", f"{message.name} is delivered as another message", where, line)
        if not life.spans:
            what = f"node {life.node} delivers before its first configuration"
            self.complain("B5", what, line)
            return
        span = life.spans[-1]
        if (life.index, number) in self._delivered:
            self.complain("B4", f"node {life.node} delivers {message.name} twice", line)
            return
        self._delivered.add((life.index, number))
        span.delivers.append(number)
        span.deliver_lines.append(line)
        span.steps.append(number)
        if configuration != span.id:
            what = f"node {life.node} delivers {message.name} in {configuration}"
            self.complain("B3", f"{what}, and is in {span.id}", span.line, line)
        elif message.ring != span.ring:
            what = f"node {life.node} delivers {message.name} in {span.id}, of another ring"
            self.complain("B3", what, span.line, line)
        else:
            members = span.members if span.is_regular else life.spans[-2:][0].members
            if told[0] not in members:
                what = f"node {life.node} delivers {message.name} of node {told[0]}, no member"
                self.complain("B3", what, span.line, line)

    def _observe(self, line: int, event: Event, life: Life) -> None:
        timestamp = _integer(event["timestamp"])
        if life.spans:  # before the first configuration nothing can be sent anyway
            span = life.spans[-1]
            span.observed.append((len(span.steps), timestamp, line))

    def _recovered(self, line: int, event: Event, life: Life) -> None:
        ring, obligations = _text(event["ring"]), tuple(_integers(event["obligations"]))
        if life.spans:
            span = life.spans[-1]
            life.promises.append(Promise(ring, obligations, line, span, len(span.steps)))
        else:
            what = f"node {life.node} recovers before its first configuration"
            self.complain("B5", what, line)

    def _end(self, line: int, event: Event, life: Life) -> None:
        self.comings.append(line)
        life.ended, life.end_line = event["event"], line


def _is_integer(value: object) -> bool:
    """Whether it is one that Python prints, sums of it too; it is far from every real one."""
    return type(value) is int and -BEYOND < value < BEYOND


def _integer(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{_shown(value)} is no integer")
    if not _is_integer(value):
        raise ValueError("an integer beyond all measure")
    return value


def _list(value: object) -> list[object]:
    if type(value) is not list:
        raise ValueError(f"{_shown(value)} is no list")
    return value


def _integers(value: object) -> list[int]:
    return [_integer(one) for one in _list(value)]


def _handle(event: Event) -> str:
    handle = event["handle"]
    return str(_integer(handle)) if type(handle) is int else _text(handle)


def _bare(value: object) -> str:
    return value[:100] if isinstance(value, str) else _shown(value)


def _shown(value: object) -> str:
    """Anything, in short: it may be nested so deeply that Python cannot print it."""
    if isinstance(value, str):
        return repr(value[:100])
    if value is None or isinstance(value, bool) or _is_integer(value):
        return str(value)
    if isinstance(value, list) and all(map(_is_integer, value)):
        return str(value[:50])
    return f"that {type(value).__name__}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError(f"{_shown(value)} is no string")
    return value


def _service(event: Event) -> str:
    service = event["service"]
    if service not in (AGREED, SAFE):
        raise ValueError(f"service {_shown(service)} is neither agreed nor safe")
    return str(service)
