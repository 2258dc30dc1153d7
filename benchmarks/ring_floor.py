"""The bare ring: the least a ring of datagrams in Python must do on this machine.  [I/O]

A measuring stick, not a protocol: members pack messages into datagrams, seal each (or not),
multicast them, pass a token on, and deliver in order. Nothing is ever lost, nobody ever crashes,
nothing is logged or stamped, no application runs beside it. Whatever a real ring reaches of this
figure is what its guarantees cost. A real ring can come out above it where it does less for a
datagram: ours works on frames of many datagrams, this one on each datagram.

A message that does not fit a datagram is cut into equal parts. ``python -m benchmarks.ring_floor``
is one member; :func:`measure` starts them.
"""

import json
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.ring_hosts import Host, Program, python

GROUP, PORT = "239.67.0.9", 28_000
WARM_UP_S = 0.5
VISIT_BYTES = 120_000
"""What a member sends in one visit: two calls of 60 kB."""

_SOL_UDP, _SEGMENT, _GRO, _SO_RCVBUFFORCE = 17, 103, 104, 33  # linux/udp.h, asm/socket.h
_CALL_BYTES, _CALL_SEGMENTS = 60_000, 64
_HEAD = struct.Struct(">QH")  # sequence number, messages in this datagram (0: a part of one)
_TOKEN = struct.Struct(">Q")
_TAG_BYTES = 16
_SALT = b"ring"


@dataclass(frozen=True, slots=True)
class Task:
    """What one member is to do."""

    me: int
    addresses: list[str]
    size: int
    datagram_bytes: int
    encrypted: bool
    sends: bool


@dataclass(frozen=True, slots=True)
class Floor:
    """What came of it."""

    messages_per_second: float
    rotations_per_second: float
    lost: int
    """Datagrams that wait for one that never came: then the figure is worth nothing."""


class Member:
    """One member: sockets, what came and cannot be delivered yet, what was delivered."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.cipher = AESGCM(bytes(32)) if task.encrypted else None
        room = task.datagram_bytes - _HEAD.size - (_TAG_BYTES if task.encrypted else 0)
        self.parts = -(-task.size // room) if task.size + 2 > room else 1
        self.packed = max(1, room // (task.size + 2)) if self.parts == 1 else 0
        visit = max(1, VISIT_BYTES // task.datagram_bytes)
        self.visit = max(1, visit // self.parts) * self.parts if task.sends else 0
        self.store: dict[int, bytes] = {}
        self.done = self.delivered = self.rotations = 0
        self.pieces: list[bytes] = []
        self._open_sockets()

    def _open_sockets(self) -> None:
        own, group = self.task.addresses[self.task.me], socket.inet_aton(GROUP)
        self.heard = socket.socket(type=socket.SOCK_DGRAM)
        self.heard.bind((GROUP, PORT))
        membership = group + socket.inet_aton(own)
        self.heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self.heard.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
        self.heard.setsockopt(_SOL_UDP, _GRO, 1)
        self.told = socket.socket(type=socket.SOCK_DGRAM)
        interface = socket.inet_aton(own)
        self.told.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        self.told.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self.told.connect((GROUP, PORT))
        self.token = socket.socket(type=socket.SOCK_DGRAM)
        self.token.bind((own, PORT + 1))
        after = self.task.addresses[(self.task.me + 1) % len(self.task.addresses)]
        self.next = (after, PORT + 1)
        self.heard.setblocking(False)
        self.token.setblocking(False)

    def run(self, begin_ns: int, end_ns: int) -> tuple[int, int]:
        """Messages delivered and rotations between two instants."""
        poll = select.epoll()
        poll.register(self.heard, select.EPOLLIN)
        poll.register(self.token, select.EPOLLIN)
        if self.task.me == 0:
            self.token.sendto(_TOKEN.pack(0), self.next)
        before: tuple[int, int] | None = None
        while (now := time.monotonic_ns()) < end_ns:
            if before is None and now >= begin_ns:
                before = self.delivered, self.rotations
            poll.poll(0.02)
            self._read()
            self._deliver()
            try:
                token = self.token.recv(64)
            except BlockingIOError:
                continue
            self._read()  # what overtook the token on the other socket
            self._visit(_TOKEN.unpack(token)[0])
        delivered, rotations = before or (self.delivered, self.rotations)
        return self.delivered - delivered, self.rotations - rotations

    def _visit(self, sequence: int) -> None:
        self.rotations += 1
        sealed = []
        payload = bytes(self.task.size)
        for _ in range(self.visit // self.parts):
            for body in self._bodies(payload):
                sequence += 1
                datagram = _HEAD.pack(sequence, self.packed) + body
                self.store[sequence] = datagram
                sealed.append(self._seal(datagram))
        if sealed:
            size = len(sealed[0])
            count = max(1, min(_CALL_BYTES // size, _CALL_SEGMENTS))
            control = [(_SOL_UDP, _SEGMENT, struct.pack("=H", size))]
            for at in range(0, len(sealed), count):
                self.told.sendmsg(sealed[at : at + count], control)
        self.token.sendto(_TOKEN.pack(sequence), self.next)
        self._deliver()

    def _bodies(self, payload: bytes) -> list[bytes]:
        if self.parts == 1:
            payloads = [payload for _ in range(self.packed)]
            lengths = struct.pack(f">{self.packed}H", *map(len, payloads))
            return [lengths + b"".join(payloads)]
        size = -(-len(payload) // self.parts)
        # Of one size, so that they leave in one call.
        return [payload[at : at + size].ljust(size) for at in range(0, len(payload), size)]

    def _seal(self, data: bytes) -> bytes:
        if self.cipher is None:
            return data
        head = data[: _HEAD.size]
        return head + self.cipher.encrypt(head[:8] + _SALT, data[_HEAD.size :], head)

    def _open(self, data: bytes) -> bytes:
        if self.cipher is None:
            return data
        head = data[: _HEAD.size]
        return head + self.cipher.decrypt(head[:8] + _SALT, data[_HEAD.size :], head)

    def _read(self) -> None:
        while True:
            try:
                data, control, _, _ = self.heard.recvmsg(65_535, 64)
            except BlockingIOError:
                return
            size = len(data)
            for level, kind, value in control:
                if level == _SOL_UDP and kind == _GRO:
                    size = struct.unpack("=i", value[:4])[0]
            for at in range(0, len(data), size):
                datagram = data[at : at + size]
                self.store[_HEAD.unpack_from(datagram)[0]] = self._open(datagram)

    def _deliver(self) -> None:
        while self.done + 1 in self.store:
            self.done += 1
            datagram = self.store.pop(self.done)
            count = _HEAD.unpack_from(datagram)[1]
            at = _HEAD.size + 2 * count
            if not count:
                self.pieces.append(datagram[at:])
                if len(self.pieces) == self.parts:
                    self._hand_over([b"".join(self.pieces)])
                    self.pieces = []
                continue
            messages = []
            for length in struct.unpack_from(f">{count}H", datagram, _HEAD.size):
                messages.append(datagram[at : at + length])
                at += length
            self._hand_over(messages)

    def _hand_over(self, messages: list[bytes]) -> None:
        """Where an application would be."""
        self.delivered += len(messages)


def measure(
    hosts: Sequence[Host], *, mtu: int, size: int, encrypted: bool, seconds: float
) -> Floor:
    """Run one member in each host; a size of 0 passes the token on and sends nothing.

    Raises:
        Failed: a member did.
    """
    addresses = [host.address for host in hosts]
    with ExitStack() as stack:
        programs = []
        for me, host in enumerate(hosts):
            task = Task(me, addresses, size, mtu - 28, encrypted, size > 0)
            program = Program([*host.prefix, *python("benchmarks.ring_floor")])
            stack.callback(program.end)
            program.tell(json.dumps(asdict(task)))
            programs.append(program)
        for program in programs:
            program.expect("ready")
        begin = time.monotonic_ns() + round(WARM_UP_S * 1e9)
        for program in programs:
            program.tell(f"{begin} {begin + round(seconds * 1e9)}")
        found = [json.loads(program.line()) for program in programs]
    return Floor(
        min(one["delivered"] for one in found) / seconds,
        found[0]["rotations"] / seconds,
        max(one["waiting"] for one in found),
    )


def main() -> None:
    """Be one member."""
    member = Member(Task(**json.loads(sys.stdin.readline())))
    print("ready", flush=True)
    begin, end = map(int, sys.stdin.readline().split())
    delivered, rotations = member.run(begin, end)
    # What is on its way when the others end is not lost: only a gap with much behind it is.
    waiting = len(member.store) if len(member.store) > 4 * member.visit else 0
    print(json.dumps({"delivered": delivered, "rotations": rotations, "waiting": waiting}))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
