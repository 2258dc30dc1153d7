"""Which configuration each member is in, and whether it lives, from top to bottom of a picture."""

from collections.abc import Sequence

from ordering.diagram.svg import PALETTE
from vsync.explain.choosing import Plan
from vsync.explain.picture import Band, Lane, Life, Picture
from vsync.explain.reading import History, Item
from vsync.explain.rows import LINE
from vsync.explain.wording import event_text, wrapped

WHY_LETTER = 5.3

ENTRY = 11.0
"""From the edge of a band to the line of the row it begins in."""

ALONE = "#444444"
"""Rings of one member: grey, so that the colours are left for those that mean a group."""

COLOURS = tuple(colour for colour in PALETTE if colour != ALONE)


def colours_of(history: History) -> dict[str, str]:
    """A colour for each configuration, by its id; a transitional one has its old ring's.

    Given in the order of the history and not of what is drawn, so that all pictures of a history
    agree.
    """
    rings: dict[str, str] = {}
    used = 0
    for found in history.configurations.values():
        if found.is_regular and found.ring not in rings:
            if len(found.members) == 1:
                rings[found.ring] = ALONE
            else:
                rings[found.ring] = COLOURS[used % len(COLOURS)]
                used += 1
    # Of a transitional one whose ring began before the history.
    for found in history.configurations.values():
        if found.ring not in rings:
            rings[found.ring] = COLOURS[used % len(COLOURS)]
            used += 1
    return {found.id: rings[found.ring] for found in history.configurations.values()}


def bands_and_lives(
    picture: Picture,
    history: History,
    plan: Plan,
    heights: Sequence[float],
    colours: dict[str, str],
) -> None:
    """Fill in both, from what the nodes say of themselves."""
    for lane in picture.lanes:
        walk = _Walk(picture, history, colours, lane)
        for item in plan.before:
            if item.node == lane.node:
                walk.begin(item)
        for row, y in zip(plan.rows, heights, strict=True):
            for entry in row.entries:
                if entry.node == lane.node:
                    walk.take(entry.items[0], y)
        walk.end()


class _Walk:
    """Down one lane."""

    def __init__(
        self, picture: Picture, history: History, colours: dict[str, str], lane: Lane
    ) -> None:
        self.picture = picture
        self.history = history
        self.colours = colours
        self.lane = lane
        self.entered: Item | None = None
        self.band_top = 0.0
        self.has_head = False
        self.life_top = 0.0
        # Of a node whose boot is in the history, nothing was there before.
        own = [item for item in history.items if item.node == lane.node]
        self.is_alive: bool | None = None if own[0].kind == "boot" else True

    def begin(self, item: Item) -> None:
        """What happened before the picture."""
        match item.kind:
            case "configuration":
                self.entered = item
            case "crash" | "leave" | "boot":
                self.entered = None
        self.is_alive = item.kind not in ("crash", "leave")

    def take(self, item: Item, y: float) -> None:
        match item.kind:
            case "boot":
                self._close(y - 8)
                self._live(y, True)
            case "crash" | "leave":
                self._close(y)
                self._live(y, False)
            case "configuration":
                self._close(y - ENTRY)
                self.entered, self.band_top, self.has_head = item, y - ENTRY, True
        if self.is_alive is None:
            self._live(y, True)

    def end(self) -> None:
        self._close(self.picture.bottom)
        self._live(self.picture.bottom, False)

    def _live(self, y: float, is_alive: bool) -> None:
        if self.is_alive is not None and y > self.life_top:
            self.picture.lives.append(Life(self.lane.x, self.life_top, y, self.is_alive))
        self.life_top, self.is_alive = y, is_alive

    def _close(self, y: float) -> None:
        item, self.entered = self.entered, None
        if item is None:
            return
        found = self.history.configuration(item)
        lines: list[str] = []
        if self.has_head and not found.is_regular:
            old = self._old_name(found.ring)
            lines = [f"what is left of {old}"] if old else ["what is left of the old ring"]
        elif self.has_head and item.event.get("reason"):
            room = int((self.lane.width - 8) / WHY_LETTER)
            reason = str(item.event["reason"])
            half = len(reason) // 2 + 4
            lines = wrapped(reason, half if room < len(reason) and half < room else room, 2)
        self.picture.bands.append(
            Band(
                found.id,
                self.lane.left,
                self.band_top,
                self.lane.width,
                max(y - self.band_top, 3),
                self.colours[found.id],
                found.is_regular,
                event_text(item.number, item.event),
                found.name,
                tuple(lines),
                20 + (LINE - 1) * len(lines),
                not self.has_head,
            )
        )

    def _old_name(self, ring: str) -> str:
        for found in self.history.configurations.values():
            if found.is_regular and found.ring == ring:
                return found.name.partition(" ")[0]
        return ""
