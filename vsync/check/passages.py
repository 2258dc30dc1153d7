"""What each incarnation did on each ring: sent, delivered in its regular configuration, and in the
transitional one that followed. The rules on order and safety look at rings from here."""

from collections import defaultdict
from dataclasses import dataclass

from vsync.check.reading import History, Life, Span


@dataclass(slots=True)
class Passage:
    """One incarnation's time on one ring, until its next regular configuration: com(c)."""

    life: Life
    regular: Span
    transitional: Span | None
    next_regular: Span | None
    is_last: bool
    """Whether the incarnation's log ends in it."""

    @property
    def delivers(self) -> list[int]:
        """All deliveries, in order."""
        if self.transitional is None:
            return self.regular.delivers
        return self.regular.delivers + self.transitional.delivers

    @property
    def lines(self) -> list[int]:
        """Where they are told."""
        if self.transitional is None:
            return self.regular.deliver_lines
        return self.regular.deliver_lines + self.transitional.deliver_lines

    @property
    def end_line(self) -> int:
        """Where it is told that it is over; 0 if it is not."""
        if self.next_regular is not None:
            return self.next_regular.line
        return self.life.end_line if self.is_last else 0

    def holds(self, span: Span) -> bool:
        """Whether this is one of its configurations."""
        return span is self.regular or span is self.transitional

    @property
    def crashed(self) -> bool:
        """Whether the process died in it."""
        return self.is_last and self.life.ended == "crash"

    def is_final(self, ends_quiet: bool) -> bool:
        """Whether what is missing now will be missing for ever."""
        return self.next_regular is not None or bool(self.life.ended) or ends_quiet


@dataclass(slots=True)
class RingView:
    """A ring, as all who were on it together tell."""

    ring: str
    passages: list[Passage]
    known: list[int]
    """All its messages that anybody sent or delivered, in order."""


def passages_of(history: History) -> list[Passage]:
    """All passages, by incarnation."""
    found: list[Passage] = []
    for life in history.lives:
        spans = life.spans
        for at, span in enumerate(spans):
            if not span.is_regular:
                continue
            after = spans[at + 1 : at + 3]
            between = after[0] if after and not after[0].is_regular else None
            rest = after[1:] if between is not None else after
            following = rest[0] if rest and rest[0].is_regular else None
            last = at + 1 + (between is not None) >= len(spans)
            found.append(Passage(life, span, between, following, last))
    return found


def rings_of(history: History, passages: list[Passage]) -> list[RingView]:
    """All rings."""
    known: defaultdict[str, list[int]] = defaultdict(list)
    for number, message in enumerate(history.messages):
        if message.deliver_line or message.send_line:
            known[message.ring].append(number)
    on_ring: defaultdict[str, list[Passage]] = defaultdict(list)
    for passage in passages:
        on_ring[passage.regular.ring].append(passage)
    places = history.messages
    return [
        RingView(ring, on_ring[ring], sorted(known[ring], key=lambda n: places[n].place))
        for ring in on_ring
    ]
