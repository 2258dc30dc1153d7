"""What an examination can know: plain values, collected elsewhere, or made up by a test."""

from dataclasses import dataclass, field
from enum import Enum

from clocksync.chronyd import Tracking
from clocksync.kernel_clock import KernelClock
from clocksync.measuring.result import Combined, HostResult
from clocksync.ntp.sample import Sample


class Severity(Enum):
    """How bad a finding is."""

    ERROR = "error"
    """The time is wrong, or nobody keeps it right."""
    WARNING = "warning"
    """It may become wrong, or cannot be known well."""
    NOTE = "note"
    """Worth knowing; nothing to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a name that stays the same, about what, how it shows, what to do."""

    name: str
    severity: Severity
    subject: str
    """``local clock``, or a host as the user named it."""
    evidence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A check that could not be made, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process that keeps clocks right; ``steers``: this machine's."""

    name: str
    pid: int
    steers: bool = True


@dataclass(frozen=True, slots=True)
class ClockSource:
    """What the kernel counts time with, and what else it could."""

    current: str
    available: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """How the wall clock moved against a steady one while it was looked at. In ns."""

    elapsed_ns: int
    stepped_ns: int
    """0: it was not, as far as can be told."""
    slept_ns: int


@dataclass(frozen=True, slots=True)
class Stamps:
    """Whether the kernel stamps what this machine sends and receives."""

    received: bool
    sent: bool


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """A host that was measured, and the exchanges behind it."""

    result: HostResult
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it. None: it could not be found out (``why`` may say the reason, by field name)."""

    at_ns: int
    """Local wall time."""
    kernel: KernelClock | None = None
    daemons: tuple[Daemon, ...] | None = None
    clock_source: ClockSource | None = None
    hypervisor: str | None = None
    """The name of what runs this virtual machine, as far as it says; None: no sign of any."""
    watched: Watched | None = None
    stamps: Stamps | None = None
    chronyd: Tracking | str | None = None
    """What a running chronyd says, or why it says nothing; None: none runs."""
    addresses: tuple[str, ...] = ()
    """Of this machine, numeric."""
    hosts: tuple[HostEvidence, ...] = ()
    combined: Combined | None = None
    max_offset_ns: int = 100_000_000
    """The local clock may be certainly off by this much before it is a finding."""
    why: dict[str, str] = field(default_factory=dict)
