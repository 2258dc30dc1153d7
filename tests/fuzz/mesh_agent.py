"""Frames of a mesh, whatever they hold, at an agent and at a coordinator: neither raises, and an
agent answers with no more bytes than came."""

from random import Random

from clocksync.meshing import frames
from clocksync.meshing.agent import FRAMES, Agent
from clocksync.meshing.coordinator import Coordinator
from clocksync.meshing.frames import Action, Batch, Order, Row, Status
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.core import Arrival, Send, Stamp
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main, one_line

_CLASSES = {cls.KIND: cls for cls in FRAMES}
_NEIGHBOURS = frames.pack_neighbours([(2, ("10.0.0.2", 3190)), (3, ("fd77::3", 3190))])
_ROWS = frames.pack_rows([Row(1, 2, 3, 4, True)])


def _coordinator() -> Coordinator:
    return Coordinator([("10.0.0.1", 3190), ("10.0.0.2", 3190)], Random(1), greet_ns=1)


_TOKEN = _coordinator().hosts[0].token
# The first byte is the kind, the second the sender.
SEEDS = tuple(
    bytes([frame.KIND, sender]) + frame.encode()
    for sender, frame in (
        (1, Order(7, Action.PROBE, 20_000, 1_000, 0, 0, _NEIGHBOURS, bytes(100))),
        (1, Order(7, Action.FETCH, 0, 0, 2, 0, b"", bytes(100))),
        (1, Order(7, Action.END, 0, 0, 0, 0, b"", b"")),
        (1, Status(_TOKEN, 1, 50, (2, 3))),
        (1, Batch(_TOKEN, 2, 0, 1, _ROWS)),
        (2, Probe(5)),
        (2, Echo(1, 2, 0, 0, 0, 5)),
    )
)


def one_input(data: bytes) -> None:
    cls = _CLASSES.get(data[0] if data else 0)
    if cls is None:
        return
    try:
        frame = cls.decode(memoryview(data)[2:])
    except MalformedFrame as error:
        one_line(error)
        return
    sender = data[1]
    agent = Agent(1, Random(1))
    agent.on_frame(
        Arrival(Order(7, Action.PROBE, 1, 1, 0, 0, _NEIGHBOURS, bytes(99)), sender, Stamp(0)), 0
    )
    effects = agent.on_frame(Arrival(frame, sender, Stamp(1_000)), 1)
    if isinstance(frame, Order):
        for effect in effects:
            assert not isinstance(effect, Send) or len(effect.frame.encode()) <= len(data) - 2
    agent.on_timer(sender, 2)
    coordinator = _coordinator()
    coordinator.start(0)
    for number, host in enumerate(coordinator.hosts, 1):
        coordinator.on_frame(Arrival(Status(host.token, 0, 1, ()), number, Stamp(0)), 0)
    for now in (0, 10**12, 10**12):
        coordinator.on_frame(Arrival(frame, sender, Stamp(1_000)), now)
        coordinator.on_timer("tick", now)


if __name__ == "__main__":
    main(one_input, SEEDS)
