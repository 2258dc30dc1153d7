"""Packets of an interface as they pass, stamped by the kernel; nothing is sent.  [I/O]

Linux only: a packet socket in cooked mode, with a filter in the kernel that lets UDP and PTP
through. Elsewhere capture with tcpdump and read the file.
"""

import ctypes
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from clocksync.capture.packets import ETHERNET, PACKET_OUTGOING, PTP_ETHERNET, RAW, way_of
from clocksync.capture.reader import UNKNOWN_WAY
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.kernel import SO_TIMESTAMPNS, receive_stamp
from clocksync.runtime.units import SECOND

_ALL, _ATTACH_FILTER, _LOOPBACK = 0x0003, 26, 772
_IPV4, _IPV6 = 0x0800, 0x86DD
_BUFFER_BYTES = 8 << 20
_LOAD_PROTOCOL = (0x28, 0, 0, 0xFFFFF000)  # SKF_AD_OFF + SKF_AD_PROTOCOL
# (operation, steps on if true, if false, value). All of IPv6 is let through: its UDP may stand
# behind further headers.
_FILTER = (
    _LOAD_PROTOCOL,
    (0x15, 4, 0, PTP_ETHERNET),
    (0x15, 3, 0, _IPV6),
    (0x15, 0, 3, _IPV4),
    (0x30, 0, 0, 9),  # its protocol
    (0x15, 0, 1, socket.IPPROTO_UDP),
    (0x06, 0, 0, 0xFFFF),  # take it
    (0x06, 0, 0, 0),  # leave it
)


class LiveCapture:
    """The packets of one interface.

    Raises:
        BadConfig: not on Linux, no such interface, or no permission.
    """

    def __init__(self, interface: str) -> None:
        if not sys.platform.startswith("linux"):
            raise BadConfig(
                "live capture needs Linux: tcpdump -w FILE, then clocksync capture FILE"
            )
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        except PermissionError:
            raise BadConfig(
                f"capturing on {interface} needs root or CAP_NET_RAW: sudo clocksync capture ..."
            ) from None
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._attach()
            self._socket.bind((interface, _ALL))
        except OSError as error:
            self._socket.close()
            raise BadConfig(f"cannot capture on {interface}: {error.strerror}") from None
        self._socket.setblocking(False)

    def _attach(self) -> None:
        program = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
        held = ctypes.create_string_buffer(program)
        wanted = struct.pack("HL", len(_FILTER), ctypes.addressof(held))
        self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, wanted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def run(
        self,
        feed: Callable[[int, int, bytes, int], None],
        *,
        duration_ns: int | None,
        count: int | None,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Hand packets on until the time is over, so many came, or it is stopped.

        What had come by then is handed on, too, though it was not read yet: who was kept from
        running for a while has missed nothing.
        """
        end = None if duration_ns is None else time.monotonic_ns() + duration_ns
        left = _BUFFER_BYTES  # of what the kernel may have kept; its stamps may be set back
        ended_at: int | None = None
        seen = 0
        while (count is None or seen < count) and left > 0:
            wait = 0.2 if end is None else min(0.2, (end - time.monotonic_ns()) / SECOND)
            if ended_at is None and (wait <= 0 or is_stopped()):
                ended_at = time.time_ns()
            if not select.select([self._socket], [], [], 0 if ended_at else wait)[0]:
                if ended_at:
                    return
                continue
            packet = self._read()
            if packet is None:
                continue
            if ended_at:
                left -= len(packet[2])
                if packet[0] > ended_at:
                    return
            feed(*packet)
            seen += 1

    def _read(self) -> tuple[int, int, bytes, int] | None:
        """When the next packet came, its link, itself and its way; None if it is none to feed."""
        try:
            data, control, _, address = self._socket.recvmsg(65_535, 256)
        except BlockingIOError:
            return None
        except OSError as error:
            raise BadConfig(f"capturing ended: {error.strerror}") from None
        _, protocol, kind, hardware, source = address
        if hardware == _LOOPBACK and kind == PACKET_OUTGOING:
            return None  # the loopback shows each packet twice
        way = UNKNOWN_WAY if hardware == _LOOPBACK else way_of(kind)
        stamp = receive_stamp(control)
        when = time.time_ns() if stamp is None else stamp.time
        link = RAW
        if protocol == PTP_ETHERNET:
            link, data = ETHERNET, bytes(6) + source[:6] + b"\x88\xf7" + data
        return when, link, data, way
