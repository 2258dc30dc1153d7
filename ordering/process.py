"""Names of processes, and the small numbers and texts that stamps are written with.

A process is named by a non-negative integer or by a non-empty string; a string that looks like a
number is not that number. Within one system use one kind: Lamport and hybrid stamps break ties by
comparing names, and Python does not compare an integer with a string.

Numbers are written as LEB128: seven bits to a byte, least significant first, the top bit says that
more follow. Readers accept the shortest form only, so every value has exactly one encoding.
"""

import json
import re
from functools import lru_cache
from typing import TypeAlias

from clocksync.runtime.errors import BadConfig, MalformedFrame

Process: TypeAlias = int | str

_BARE = re.compile(r"[^\W\d][\w.\-]*")
_NAME_BYTES_MAX = 1024
_NUMBER_BYTES_MAX = 10  # ten times seven bits hold any unsigned 64-bit number
_NUMBER_MAX = (1 << 64) - 1


def checked_process(process: Process) -> Process:
    """`process`, if it can name one.

    Raises:
        BadConfig: it is neither a non-negative integer nor a non-empty string.
    """
    # "replace": a lone surrogate has no UTF-8; it becomes a "?" and is refused as unequal.
    if isinstance(process, str):
        raw = process.encode(errors="replace")
        if 0 < len(raw) <= _NAME_BYTES_MAX and raw.decode() == process:
            return process
    if isinstance(process, int) and not isinstance(process, bool) and 0 <= process <= _NUMBER_MAX:
        return process
    raise BadConfig(
        f"{process!r:.80} cannot name a process: use a non-negative integer or a non-empty string"
    )


def process_key(process: Process) -> tuple[bool, Process]:
    """Sorts integers before strings, for the canonical order inside encodings."""
    return (isinstance(process, str), process)


@lru_cache(maxsize=4096)
def process_text(process: Process) -> str:
    """The name as text: bare where that is unambiguous, else as a JSON string.

    >>> process_text(3), process_text("node-a"), process_text("3")
    ('3', 'node-a', '"3"')
    """
    if isinstance(process, int):
        return str(process)
    return process if _BARE.fullmatch(process) else json.dumps(process, ensure_ascii=False)


def parse_process(text: str) -> Process:
    """The inverse of :func:`process_text`.

    Raises:
        ValueError: the text names no process.
    """
    if text.isascii() and text.isdigit():
        return checked_process(int(text))
    if _BARE.fullmatch(text):
        return checked_process(text)
    if text.startswith('"'):
        name = json.loads(text)
        if isinstance(name, str):
            return checked_process(name)
    raise ValueError(f"{text!r} names no process: write a number, a word or a JSON string")


def write_number(number: int) -> bytes:
    """A number from 0 to 2**64 - 1 as LEB128.

    Raises:
        ValueError: the number is out of that range.
    """
    if 0 <= number < 0x80:
        return number.to_bytes(1, "little")
    if not 0 <= number <= _NUMBER_MAX:
        raise ValueError(f"{number} does not fit 64 bits")
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends.

    Raises:
        MalformedFrame: it is cut short, longer than 64 bits, or not in its shortest form.
    """
    number = 0
    for place in range(_NUMBER_BYTES_MAX):
        if at >= len(data):
            raise MalformedFrame("too short")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if byte == 0 and place:
                raise MalformedFrame("number not in its shortest form")
            if number > _NUMBER_MAX:
                break
            return number, at
    raise MalformedFrame("number over 64 bits")


def write_name(name: str) -> bytes:
    """A string behind its length."""
    raw = name.encode()
    return write_number(len(raw)) + raw


def read_name(data: bytes, at: int) -> tuple[str, int]:
    """The string at `at`, and where it ends.

    Raises:
        MalformedFrame: it is cut short, empty, too long, or not UTF-8.
    """
    size, at = read_number(data, at)
    if not 0 < size <= _NAME_BYTES_MAX:
        raise MalformedFrame("name over its maximum" if size else "empty name")
    if at + size > len(data):
        raise MalformedFrame("too short")
    try:
        return data[at : at + size].decode(), at + size
    except UnicodeDecodeError:
        raise MalformedFrame("name is not UTF-8") from None


def write_process(process: Process) -> bytes:
    """One process: a tag byte (0 number, 1 string) and its name."""
    if isinstance(process, str):
        return b"\x01" + write_name(process)
    return b"\x00" + write_number(process)


def read_process(data: bytes, at: int) -> tuple[Process, int]:
    """The process at `at`, and where it ends.

    Raises:
        MalformedFrame: the bytes there name none.
    """
    if at >= len(data):
        raise MalformedFrame("too short")
    if data[at] > 1:
        raise MalformedFrame("unknown kind of process")
    return read_name(data, at + 1) if data[at] else read_number(data, at + 1)


def refuse_trailing(data: bytes, end: int) -> None:
    """Check that what was decoded used all of `data`.

    Raises:
        MalformedFrame: bytes are left over.
    """
    if end != len(data):
        raise MalformedFrame("trailing bytes")
