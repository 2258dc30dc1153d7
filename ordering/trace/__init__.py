"""ordering.trace: what happened before what in a live program.

>>> from ordering.trace import Recorder, Run
>>> alice, bob = Recorder("alice", reading=lambda: 100), Recorder("bob", reading=lambda: 90)
>>> data = alice.wrap(b"hello", "greets")
>>> bob.unwrap(data, "is greeted")
b'hello'
>>> run = Run([*alice.events, *bob.events])
>>> run.happened_before(run.event("alice", 1), run.event("bob", 1))
True
>>> print(*run.received_before_sent())
alice:1 to bob: received 10 ns before it was sent, by the clocks
"""

from importlib import import_module

TYPE_CHECKING = False  # what typing's is, without the price of loading typing

if TYPE_CHECKING:
    from ordering.trace.events import BadTrace as BadTrace
    from ordering.trace.events import Event as Event
    from ordering.trace.events import Kind as Kind
    from ordering.trace.events import read_events as read_events
    from ordering.trace.events import write_events as write_events
    from ordering.trace.export import to_shiviz as to_shiviz
    from ordering.trace.export import to_tsviz as to_tsviz
    from ordering.trace.files import read_run as read_run
    from ordering.trace.recorder import Recorder as Recorder
    from ordering.trace.run import BackwardMessage as BackwardMessage
    from ordering.trace.run import Cut as Cut
    from ordering.trace.run import Run as Run
    from ordering.trace.streams import TracedStreams as TracedStreams

_HOMES = {
    "BackwardMessage": "ordering.trace.run",
    "BadTrace": "ordering.trace.events",
    "Cut": "ordering.trace.run",
    "Event": "ordering.trace.events",
    "Kind": "ordering.trace.events",
    "Recorder": "ordering.trace.recorder",
    "Run": "ordering.trace.run",
    "TracedStreams": "ordering.trace.streams",
    "read_events": "ordering.trace.events",
    "read_run": "ordering.trace.files",
    "to_shiviz": "ordering.trace.export",
    "to_tsviz": "ordering.trace.export",
    "write_events": "ordering.trace.events",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  a list, made from the one table of names


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ordering.trace' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
