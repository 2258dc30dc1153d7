"""Many datagrams for one system call: Linux's recvmmsg and sendmmsg through ctypes.  [I/O]

One call per 64 datagrams instead of one each halves the cost of a busy socket. Buffers are
allocated once; a :class:`ReceiveBatch` and a :class:`SendBatch` hand out views into them, valid
until the next call. Where the calls are missing (macOS), :func:`available` says so and the drivers
use ``recvmsg`` and ``sendto``.
"""

import ctypes
import errno
import os
import socket
import struct
from functools import cache
from typing import Any, cast

from clocksync.runtime.kernel import (
    IS_LINUX,
    ORIGIN_TIMESTAMPING,
    SO_TIMESTAMPING,
    SO_TIMESTAMPNS,
    Control,
)
from clocksync.runtime.units import SECOND

Address = tuple[str, int]

_DONTWAIT = int(socket.MSG_DONTWAIT)  # an int: or-ing enums costs a microsecond
_NAME_BYTES = 28  # sockaddr_in6
_ALIGN = ctypes.sizeof(ctypes.c_size_t)
_CMSG = struct.Struct("@Nii")  # cmsg_len, cmsg_level, cmsg_type
_INT = struct.Struct("@i")
_STAMP = struct.Struct("@Niiqq")  # a control message of a struct timespec
# The same of a struct scm_timestamping (three of them), then one of a struct sock_extended_err.
_DEPARTURE = "@Niiqq32xNiiIB"
_DEPARTURE_BYTES = struct.calcsize(_DEPARTURE)
_EXTENDED_ERROR_BYTES = _CMSG.size + 16
_STAMP_KINDS = frozenset({SO_TIMESTAMPING, SO_TIMESTAMPNS})
_SOL_SOCKET = int(socket.SOL_SOCKET)
_TRUNCATED = int(socket.MSG_TRUNC)


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MessageHeader(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MultiHeader(ctypes.Structure):
    _fields_ = (("header", _MessageHeader), ("length", ctypes.c_uint32))


# Where the fields of the i-th header are, in words of 4 bytes and in sizes of a pointer.
_WORDS = ctypes.sizeof(_MultiHeader) // 4
_SIZES = ctypes.sizeof(_MultiHeader) // _ALIGN
_AT_LENGTH = _MultiHeader.length.offset // 4
_AT_FLAGS = _MessageHeader.flags.offset // 4
_AT_NAME_LENGTH = _MessageHeader.name_length.offset // 4
_AT_CONTROL_LENGTH = _MessageHeader.control_length.offset // _ALIGN
_VECTOR_SIZES = ctypes.sizeof(_IoVec) // _ALIGN
_AT_VECTOR_LENGTH = _IoVec.length.offset // _ALIGN


@cache
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


@cache
def available() -> bool:
    """Whether this system has both calls."""
    return IS_LINUX and hasattr(_library(), "recvmmsg") and hasattr(_library(), "sendmmsg")


class _Batch:
    """Headers, names, data and control of `size` datagrams, laid out once."""

    def __init__(self, size: int, data_bytes: int, control_bytes: int) -> None:
        self.size, self.data_bytes, self.control_bytes = size, data_bytes, control_bytes
        self.data = bytearray(size * data_bytes)
        self.control = bytearray(max(1, size * control_bytes))
        self.names = bytearray(size * _NAME_BYTES)
        self.headers = (_MultiHeader * size)()
        self._vectors = (_IoVec * size)()
        # Kept, because each holds its bytearray at its address: one that could grow would leave
        # the kernel writing to where it was.
        self._pins = [
            (ctypes.c_char * len(part)).from_buffer(part)
            for part in (self.data, self.control, self.names)
        ]
        bases = [ctypes.addressof(pin) for pin in self._pins]
        for i in range(size):
            self._vectors[i].base = bases[0] + i * data_bytes
            self._vectors[i].length = data_bytes
            header = self.headers[i].header
            header.vectors = ctypes.addressof(self._vectors[i])
            header.vector_count = 1
            header.name = bases[2] + i * _NAME_BYTES
            header.name_length = _NAME_BYTES
            header.control = bases[1] + i * control_bytes if control_bytes else None
            header.control_length = control_bytes
        # The kernel overwrites lengths in the headers: a pristine copy restores all in one move.
        self._pristine = bytes(self.headers)
        # The same memory as plain numbers: five times faster to reach than through ctypes.
        self._data_view = memoryview(self.data)
        self._name_view = memoryview(self.names)
        self._control_view = memoryview(self.control)
        self._header_words = memoryview(self.headers).cast("B").cast("I")
        self._header_sizes = memoryview(self.headers).cast("B").cast("P")
        self._vector_sizes = memoryview(self._vectors).cast("B").cast("P")

    def _restore(self, count: int) -> None:
        ctypes.memmove(self.headers, self._pristine, count * ctypes.sizeof(_MultiHeader))


class ReceiveBatch(_Batch):
    """Up to `size` datagrams a call, each of up to `data_bytes` (longer ones are cut and
    marked)."""

    def __init__(self, size: int = 64, data_bytes: int = 2048, control_bytes: int = 128) -> None:
        super().__init__(size, data_bytes, control_bytes)
        self.count = 0
        rest = control_bytes - _DEPARTURE_BYTES
        self._departure = struct.Struct(f"{_DEPARTURE}{rest}x") if rest >= 0 else None

    def receive(self, sock: socket.socket, flags: int = 0) -> int:
        """Fill the batch without waiting; the number of datagrams, 0 when there is none.

        Raises:
            OSError: the socket failed otherwise.
        """
        if self.count:
            self._restore(self.count)
        got = _library().recvmmsg(sock.fileno(), self.headers, self.size, flags | _DONTWAIT, None)
        self.count = max(got, 0)
        if got < 0:
            number = ctypes.get_errno()
            if number not in (errno.EAGAIN, errno.EINTR):
                raise OSError(number, os.strerror(number))
        return self.count

    def length(self, i: int) -> int:
        return self._header_words[i * _WORDS + _AT_LENGTH]

    def was_cut(self, i: int) -> bool:
        return bool(self._header_words[i * _WORDS + _AT_FLAGS] & _TRUNCATED)

    def payload(self, i: int) -> bytes:
        start = i * self.data_bytes
        return self._data_view[start : start + self.length(i)].tobytes()

    def sender(self, i: int) -> Address:
        return decode_name(self.raw_sender(i).ljust(_NAME_BYTES, b"\0"))

    def has_sender(self, i: int) -> bool:
        return bool(self._header_words[i * _WORDS + _AT_NAME_LENGTH])

    def raw_sender(self, i: int) -> bytes:
        """The sender as the kernel wrote it: a cheap dictionary key."""
        start = i * _NAME_BYTES
        size = self._header_words[i * _WORDS + _AT_NAME_LENGTH]
        return self._name_view[start : start + size].tobytes()

    def kernel_stamp(self, i: int) -> int:
        """The kernel's receive stamp in Unix ns, 0 where there is none: the fast path when the
        stamp is the first control message."""
        if self._header_sizes[i * _SIZES + _AT_CONTROL_LENGTH] < _STAMP.size:
            return 0
        _, level, kind, seconds, nanoseconds = _STAMP.unpack_from(
            self.control, i * self.control_bytes
        )
        if level != _SOL_SOCKET or kind not in _STAMP_KINDS:
            return 0
        return cast(int, seconds * SECOND + nanoseconds)

    def ending(self, i: int, size: int) -> bytes:
        """The last `size` bytes of datagram `i`, or all of it."""
        start, length = i * self.data_bytes, self._header_words[i * _WORDS + _AT_LENGTH]
        end = start + length
        return self._data_view[end - size if length > size else start : end].tobytes()

    def departure(self, i: int) -> int:
        """Of a message of the error queue: the kernel's transmit stamp in Unix ns; 0 where it is
        anything else, or the control messages are in another order than the kernel's usual one
        (:func:`clocksync.runtime.kernel.error_queue_verdict` tells all)."""
        return self.departures()[i]

    def departures(self) -> list[int]:
        """:meth:`departure` of every message, at a fraction of the price for many."""
        count, layout = self.count, self._departure
        if layout is None:
            return [0] * count
        sizes = self._header_sizes[_AT_CONTROL_LENGTH : count * _SIZES : _SIZES].tolist()
        parts = layout.iter_unpack(self._control_view[: count * self.control_bytes])
        return [
            seconds * SECOND + nanoseconds
            if given >= _DEPARTURE_BYTES
            and level == _SOL_SOCKET
            and kind == SO_TIMESTAMPING
            and length >= _EXTENDED_ERROR_BYTES
            and origin == ORIGIN_TIMESTAMPING
            else 0
            for given, (_, level, kind, seconds, nanoseconds, length, _, _, _, origin) in zip(
                sizes, parts, strict=True
            )
        ]

    def number(self, i: int, level: int, kind: int) -> int:
        """The int in datagram `i`'s control message of that kind; 0 where there is none."""
        start = i * self.control_bytes
        end = start + self._header_sizes[i * _SIZES + _AT_CONTROL_LENGTH]
        while start + _CMSG.size < end:
            length, its_level, its_kind = _CMSG.unpack_from(self.control, start)
            if its_kind == kind and its_level == level:
                return int(_INT.unpack_from(self.control, start + _CMSG.size)[0])
            if length < _CMSG.size:
                break
            start += (length + _ALIGN - 1) // _ALIGN * _ALIGN
        return 0

    def ancillary(self, i: int) -> list[Control]:
        """All control messages of datagram `i`."""
        start = i * self.control_bytes
        end = start + self.headers[i].header.control_length
        found: list[Control] = []
        while start + _CMSG.size <= end:
            length, level, kind = _CMSG.unpack_from(self.control, start)
            if length < _CMSG.size or start + length > end:
                break
            found.append((level, kind, bytes(self.control[start + _CMSG.size : start + length])))
            start += (length + _ALIGN - 1) // _ALIGN * _ALIGN
        return found


class SendBatch(_Batch):
    """Up to `size` datagrams a call, each of up to `data_bytes`.

    With `control_bytes` each can carry control messages; who writes them into ``control`` also
    sets the header's ``control_length``, which :meth:`add` leaves as it is.
    """

    def __init__(self, size: int = 64, data_bytes: int = 2048, control_bytes: int = 0) -> None:
        super().__init__(size, data_bytes, control_bytes)
        self.count = 0

    def clear(self) -> None:
        self.count = 0

    def add(self, payload: bytes, name: bytes) -> None:
        """Queue one datagram; `name` is an encoded address (:func:`encode_name`).

        Raises:
            ValueError: the payload is longer than this batch carries.
        """
        i, size = self.count, len(payload)
        if size > self.data_bytes:
            raise ValueError(f"a datagram of {size} bytes in a batch of {self.data_bytes}")
        start = i * self.data_bytes
        self._data_view[start : start + size] = payload
        self._vector_sizes[i * _VECTOR_SIZES + _AT_VECTOR_LENGTH] = size
        start = i * _NAME_BYTES
        self._name_view[start : start + len(name)] = name
        self._header_words[i * _WORDS + _AT_NAME_LENGTH] = len(name)
        self.count += 1

    def send(self, sock: socket.socket, start: int = 0) -> int:
        """Send the datagrams from `start` on; how many the kernel took (0 when its buffer is full).

        Raises:
            OSError: the first of them cannot be sent; the rest was not tried.
        """
        if start >= self.count:
            return 0
        first = ctypes.byref(self.headers, start * ctypes.sizeof(_MultiHeader))
        sent = _library().sendmmsg(sock.fileno(), first, self.count - start, _DONTWAIT)
        if sent < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS):
                return 0
            raise OSError(number, os.strerror(number))
        return cast(int, sent)


def encode_name(address: Address, scope: int = 0) -> bytes:
    """An address as a Linux ``sockaddr``. ``fe80::1%eth0`` carries its scope by name."""
    host, port = address
    if ":" not in host:
        return (
            struct.pack("=H", socket.AF_INET)
            + struct.pack(">H", port)
            + socket.inet_aton(host)
            + bytes(8)
        )
    host, _, zone = host.partition("%")
    if zone:
        scope = int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    return (
        struct.pack("=H", socket.AF_INET6)
        + struct.pack(">HI", port, 0)
        + socket.inet_pton(socket.AF_INET6, host)
        + struct.pack("=I", scope)
    )


def decode_name(raw: bytes) -> Address:
    """A Linux ``sockaddr`` as (host, port); a link-local host keeps its scope as ``%index``."""
    family, port = struct.unpack_from("=H", raw)[0], struct.unpack_from(">H", raw, 2)[0]
    if family == socket.AF_INET:
        return socket.inet_ntoa(raw[4:8]), port
    host = socket.inet_ntop(socket.AF_INET6, raw[8:24])
    scope = struct.unpack_from("=I", raw, 24)[0]
    return (f"{host}%{scope}" if scope else host), port
