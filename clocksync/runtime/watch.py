"""Waiting for many sockets at the price of one, and not watching while it would be seen.  [I/O]

An event loop spends more on a wake-up than the datagram is worth, and it spends it per socket. Here
the loop watches one epoll set of our own, which names all sockets with something to read at once.

A socket that epoll watches pays for it when it sends, too: the transmit stamp goes to its error
queue *before* the datagram reaches the wire, and waking the watchers comes between the two. That is
80 ns which look like distance. :meth:`Watch.pause` takes a socket out of the set for so long, which
costs half a microsecond; through the loop's own registration it would be fifteen.

Where there is no epoll (macOS), sockets are registered with the loop one by one.
"""

import asyncio
import select
import socket
from collections.abc import Callable

READY_AT_ONCE = 64


class Watch:
    """Calls `on_ready` with the descriptors that have something to read, in the running loop."""

    def __init__(self, on_ready: Callable[[list[int]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_ready = on_ready
        self._set = select.epoll() if hasattr(select, "epoll") else None
        self._watched: set[int] = set()
        if self._set is not None:
            self._loop.add_reader(self._set.fileno(), self._wake)

    def _wake(self) -> None:
        assert self._set is not None
        if len(self._watched) == 1:  # then there is no need to ask which
            self._on_ready([*self._watched])
        else:
            self._on_ready([number for number, _ in self._set.poll(0, READY_AT_ONCE)])

    def add(self, sock: socket.socket) -> None:
        """Watch a socket from now on; errors waiting in its error queue count as readable."""
        number = sock.fileno()
        self._watched.add(number)
        if self._set is not None:
            self._set.register(number, select.EPOLLIN)
        else:
            self._loop.add_reader(number, self._on_ready, [number])

    def pause(self, sock: socket.socket) -> None:
        """Do not watch it until :meth:`resume`; without epoll there is nothing to gain by it."""
        if self._set is not None:
            self._set.unregister(sock.fileno())

    def resume(self, sock: socket.socket) -> None:
        """Watch it again; what came meanwhile is told."""
        if self._set is not None:
            self._set.register(sock.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Watch nothing any more. To be called before the sockets are closed."""
        if self._set is not None:
            self._loop.remove_reader(self._set.fileno())
            self._set.close()
        else:
            for number in self._watched:
                self._loop.remove_reader(number)
        self._watched.clear()
