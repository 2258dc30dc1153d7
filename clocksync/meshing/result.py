"""What a mesh came to: offsets of pairs with their bounds, and what is wrong."""

from dataclasses import dataclass, field

from clocksync.meshing.coordinator import Trouble
from clocksync.meshing.steps import Step
from clocksync.runtime.interval import Interval
from clocksync.runtime.mmsg import Address


@dataclass(frozen=True, slots=True)
class HostState:
    """One host. ``offset_ns`` and ``skew_ppm`` are its clock minus that of the reference, the host
    of the lowest number that it is connected to; None where nothing was measured."""

    name: str
    address: Address
    number: int | None
    reference: int | None = None
    offset_ns: int | None = None
    error_bound_ns: int | None = None
    skew_ppm: float | None = None
    troubles: tuple[str, ...] = ()
    """What is wrong, in words that follow its name."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two hosts: clock b minus clock a, in ns at the instant of the result.

    The offset is within ``interval``, and ``error_bound_ns`` from its farther end.
    """

    a: int
    b: int
    offset_ns: int
    skew_ppm: float
    error_bound_ns: int
    interval: Interval
    was_measured: bool
    """Whether these two probed each other; others come of the graph."""


@dataclass(frozen=True, slots=True)
class Path:
    """Two hosts that probed each other, and what their exchanges alone say."""

    a: int
    b: int
    offset_ns: int
    delay_ns: int
    """The least of the way there and the least of the way back, together."""
    exchanges: int
    residual_ns: int
    """Its offset minus what the whole graph makes of it."""
    asymmetry_ns: int | None = None
    """The way from a to b minus the way back, if most paths of both hosts are symmetric; None where
    it is no more than is usual."""
    asymmetry_least_ns: int = 0
    """How much of that remains when what is usual is taken off."""
    asymmetry_proven_ns: int = 0
    """So much at least whatever the other paths are like."""


@dataclass(frozen=True, slots=True)
class MeshResult:
    """What :func:`clocksync.mesh` returns. Offsets are b minus a: positive, b's clock is ahead."""

    hosts: tuple[HostState, ...]
    pairs: tuple[Pair, ...]
    """All that could be told, a < b."""
    paths: tuple[Path, ...]
    steps: tuple[Step, ...]
    loop_residual_ns: int | None
    """The most that measured offsets around a loop sum to; None where there is no loop."""
    worst_loop: tuple[int, ...]
    as_of_ns: int
    """The instant all this is true of, by the clock of the first reference, Unix ns."""
    doubts: tuple[str, ...] = ()
    """Sentences: what does not fit."""
    two_faced: tuple[int, ...] = ()
    """Hosts most of whose paths do not fit: they tell different others different times, or nearly
    all their paths are asymmetric."""
    _by_ends: dict[tuple[int, int], Pair] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_ends.update({(pair.a, pair.b): pair for pair in self.pairs})

    def pair(self, a: int, b: int) -> Pair:
        """The pair of hosts `a` and `b`, a < b.

        Raises:
            KeyError: nothing connects them, or there is no such host.
        """
        return self._by_ends[a, b]

    def offset(self, a: int, b: int) -> Interval:
        """Clock b minus clock a, ns: it lies in there.

        Raises:
            KeyError: nothing connects them, or there is no such host.
        """
        if a == b and any(host.number == a for host in self.hosts):
            return Interval(0, 0)
        return self.pair(a, b).interval if a < b else -self.pair(b, a).interval

    @property
    def asymmetric(self) -> tuple[Path, ...]:
        """Paths that are told to be asymmetric, the worst first; those of hosts that do not tell
        all the same time say nothing of the path."""
        named = [
            path
            for path in self.paths
            if path.asymmetry_ns is not None and not {path.a, path.b} & {*self.two_faced}
        ]
        return tuple(sorted(named, key=lambda path: -abs(path.asymmetry_ns or 0)))

    @property
    def troubles(self) -> list[str]:
        """A sentence for everything that is wrong with a host or a clock."""
        found = [f"{host.name} {words}" for host in self.hosts for words in host.troubles]
        return [*found, *map(step_in_words, self.steps), *self.doubts]

    @property
    def exit_code(self) -> int:
        """0 good, 1 something is wrong with a host or a clock, 2 nothing could be told."""
        return 2 if not self.pairs else 1 if self.troubles else 0


def step_in_words(step: Step) -> str:
    """A sentence."""
    from clocksync.runtime.units import format_duration

    whose = " or ".join(str(host) for host in step.hosts)
    sign = "+" if step.by_ns > 0 else ""
    by = f"{sign}{format_duration(step.by_ns)}"
    return f"the clock of host {whose} was set by about {by} meanwhile: only what came after counts"


def trouble_in_words(trouble: Trouble, refusal: str) -> str:
    """What follows a host's name."""
    if trouble is Trouble.SILENT and refusal:
        return f"does not answer ({refusal}): is `clocksync agent` running there?"
    return trouble.value
