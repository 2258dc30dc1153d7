"""An Ethernet switch that takes its time: joins links, and delays each frame.  [I/O]

For networks farther apart than two namespaces: whatever the members speak, UDP or TCP, is delayed
alike. A process of its own, since it has to be punctual. The delay of each frame is the given one
and up to a tenth more, drawn from a seeded generator; frames of one link keep their order.

``python -m vsync.bench.switch DELAY_US DEVICE...`` (root on Linux).
"""

import heapq
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

_ALL = 0x0003  # ETH_P_ALL
_FRAME_MOST = 1 << 16
_BURST = 64


@contextmanager
def switched(devices: Sequence[str], delay_us: int) -> Iterator[None]:
    """Join these links in a process of its own, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vsync.bench.switch", str(delay_us), *devices],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None, "a pipe"
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


class Switch:
    """The frames under way between these devices.

    Args:
        delay_ns: how long each takes at the least.
    """

    def __init__(self, devices: Sequence[str], delay_ns: int, seed: int = 0) -> None:
        self._sockets = [_packet_socket(device) for device in devices]
        self._delay_ns = delay_ns
        self._random = Random(seed)
        self._last = [0] * len(devices)
        self._ports: dict[bytes, int] = {}
        self._under_way: list[tuple[int, int, int, bytes]] = []
        self._count = 0

    def run(self, until_closed: int) -> None:
        """Switch, until the file of that number can be read: its other end was closed."""
        files = {sock.fileno(): port for port, sock in enumerate(self._sockets)}
        while True:
            ready, _, _ = select.select([*files, until_closed], [], [], self._wait())
            if until_closed in ready:
                return
            for file in ready:
                self._take(files[file])
            self._send_due()

    def _wait(self) -> float | None:
        if not self._under_way:
            return None
        return max(0.0, (self._under_way[0][0] - time.monotonic_ns()) / 1e9)

    def _take(self, port: int) -> None:
        sock = self._sockets[port]
        for _ in range(_BURST):
            try:
                frame, (_, _, kind, _, _) = sock.recvfrom(_FRAME_MOST)
            except BlockingIOError:
                return
            if kind == socket.PACKET_OUTGOING:
                continue  # sent by ourselves
            now = time.monotonic_ns()
            due = now + self._delay_ns + self._random.randrange(self._delay_ns // 10 + 1)
            due = self._last[port] = max(due, self._last[port])
            self._count += 1
            heapq.heappush(self._under_way, (due, self._count, port, frame))

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        while self._under_way and self._under_way[0][0] <= now:
            _, _, came, frame = heapq.heappop(self._under_way)
            self._ports[frame[6:12]] = came
            to = self._ports.get(frame[:6])
            for port, sock in enumerate(self._sockets):
                if port == to or (to is None and port != came):
                    try:
                        sock.send(frame)
                    except OSError:
                        continue  # full, or gone: networks lose frames


def _packet_socket(device: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    sock.bind((device, _ALL))
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    return sock


def main() -> None:
    """Switch until standard input is closed."""
    delay_us, *devices = sys.argv[1:]
    switch = Switch(devices, int(delay_us) * 1000)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    switch.run(sys.stdin.fileno())


if __name__ == "__main__":
    main()
