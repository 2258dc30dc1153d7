"""The exceptions of the ground, and the base of all the others.

::

    ToolkitError
    ├── MisusedCore       the caller broke a core's contract
    ├── BadConfig         settings are impossible or contradict; the message names them
    ├── MalformedFrame    bytes are no frame; raised by decoders only, counted by drivers
    ├── MissingExtra      an optional dependency is not installed; the message says how to
    └── NotSynchronised   no trustworthy time; carries the last interval and why

Those of one module live in it: ``MalformedHistory``, ``SimulationFailure``, ``Stuck``, and of
:mod:`ordering` ``StampFromTheFuture``, ``BoundsContradicted``, ``BadTrace``, ``NotReached``,
``GrantLost``, ``StaleToken``; of :mod:`clocksync.scales` ``NoSuchTime``, ``BadLeapFile``.

What networks do (loss, silence, partition) is an event or a wide interval, never an exception.
What a peer does is data: it is counted, never raised out of a core.
"""

from clocksync.runtime.interval import Interval


class ToolkitError(Exception):
    """Base of all exceptions of the toolkit."""


class MisusedCore(ToolkitError):
    """The caller broke a core's contract: acquire twice, send after leaving."""


class BadConfig(ToolkitError, ValueError):
    """A setting is impossible, or two contradict; the message names them and their values."""


class MalformedFrame(ToolkitError, ValueError):
    """These bytes are no frame. ``reason`` is a short phrase, the same for the same cause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MissingExtra(ToolkitError, ImportError):
    """An optional dependency is missing; the message holds the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed: pip install 'clocksync[{extra}]'")


class NotSynchronised(ToolkitError):
    """There is no trustworthy time. ``last`` is the last interval known, or None."""

    def __init__(self, reason: str, last: Interval | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.last = last
