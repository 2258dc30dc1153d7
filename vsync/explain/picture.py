"""What a picture of a history is made of, each with its place, ready to be written in any format.

Pixels throughout; `top` and `left` are edges, `x` and `y` are middles.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lane:
    """A node's column: its life line is at `x`, its configurations' bands reach around it."""

    node: int
    x: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Life:
    """A stretch of a life line; one that is not alive lies between a crash and the next boot."""

    x: float
    top: float
    bottom: float
    is_alive: bool


@dataclass(frozen=True, slots=True)
class Band:
    """A member in a configuration: from where it entered to where it left."""

    id: str
    left: float
    top: float
    width: float
    height: float
    colour: str
    is_regular: bool
    tooltip: str
    name: str
    lines: tuple[str, ...]
    """Beneath the name: why it came to be."""
    head: float
    """Pixels of the head with the name in it."""
    is_cut: bool = False
    """Whether it began before the picture."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An event, or a run of messages."""

    kind: str
    x: float
    y: float
    label: str
    tooltip: str
    service: str = ""
    """agreed, safe, or mixed in a run of both."""
    count: int = 1
    is_lost: bool = False
    """A sending of which no delivery is recorded."""
    rules: tuple[str, ...] = ()
    is_asked_for: bool = False
    band: Band | None = None
    """Of what is no shape but the head of a band."""


@dataclass(frozen=True, slots=True)
class Line:
    """From a sending to a delivery, or the way of a token."""

    kind: str
    """agreed, safe, mixed, or token."""
    x1: float
    y1: float
    x2: float
    y2: float
    tooltip: str
    count: int = 1
    is_cut: bool = False
    """One end is in a fold."""


@dataclass(frozen=True, slots=True)
class FoldBox:
    """What was folded, summed up for each node."""

    top: float
    bottom: float
    sums: tuple[tuple[float, str, str], ...]
    """Where, and the two lines that are said of a node."""
    note: tuple[str, ...]
    tooltip: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across: an event of the whole run."""

    y: float
    text: str
    tooltip: str


@dataclass(frozen=True, slots=True)
class Said:
    """A violation in words."""

    rule: str
    text: str


@dataclass(slots=True)
class Picture:
    """A drawing, all of it."""

    title: str
    width: float = 0
    bottom: float = 0
    """Of the lanes, which begin at zero."""
    notes: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    folds: list[FoldBox] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    times: list[tuple[float, str]] = field(default_factory=list)
    pauses: list[tuple[float, str]] = field(default_factory=list)
    headings: list[tuple[float, list[tuple[float, str]]]] = field(default_factory=list)
    """Where the nodes' names are written again."""
