"""Writes ``docs/wire.md``: every frame byte by byte, from the declarations.

``python -m tools.wire_tables`` writes it; ``--check`` only says whether it is up to date (exit 1
where it is not). A module that declares frames is named in ``MODULES``; a test finds one that was
forgotten.
"""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module

from clocksync.ntp.packet import LongPacket
from clocksync.runtime.wire import Bits, Counted, Field, Fixed, Frame, Shape, Sized, layout
from tools import pages

MODULES = (
    "clocksync.runtime.envelope",
    "clocksync.ntp.packet",
    "clocksync.peers.frames",
    "clocksync.berkeley.frames",
    "clocksync.rbs.frames",
    "clocksync.meshing.frames",
    "clocksync.ptp.frames",
    "ordering.election.frames",
    "ordering.links.segment",
    "ordering.mutex.frames",
    "vsync.frames",
    "clocksync.security.datagram",
)

# Which kinds in the envelope belong to which package.
KINDS = {
    "clocksync": range(0x10, 0x20),
    "ordering": range(0x20, 0x30),
    "vsync": range(0x30, 0x100),
}

HEAD = """\
# Wire formats

Generated from the declarations by `python -m tools.wire_tables`; do not edit.

Numbers are big-endian; `u16` is unsigned, `i16` signed (two's complement). Bits are counted from
the most significant, as RFCs do. `at` is the offset in bytes from the beginning of the frame;
`|name|` stands for the bytes that the variable part of that field takes, without its count. A
decoder refuses a count over its maximum, missing bytes and, but for NTP and PTP, bytes left over.
"""


def frames() -> list[type[Frame]]:
    """Every frame class of the packages, by module and then as declared; but for the one that only
    puts bytes that it does not declare behind another."""
    return [
        value
        for name in MODULES
        for value in vars(import_module(name)).values()
        if isinstance(value, type) and issubclass(value, Frame) and value.__module__ == name
        if value is not LongPacket
    ]


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, *map(section, frames())])


def section(cls: type[Frame]) -> str:
    """One frame: what it is for, and its table."""
    kind = f", kind 0x{cls.KIND:02x}" if cls.KIND >= 0 else ""
    lines = [f"## {cls.__name__}", "", f"`{cls.__module__}`{kind}. {_summary(cls)}", ""]
    declared = list(layout(cls))
    if not declared:
        return "\n".join([*lines, "It has no fields.", ""])
    lines += ["| at | size | field | type | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| {at} | {_size(field.shape)} | `{field.name}` | {_type(field.shape)} | {_cell(field)} |"
        for at, field in _placed(declared)
    ]
    return "\n".join([*lines, ""])


def _summary(cls: type[Frame]) -> str:
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def _cell(field: Field) -> str:
    return field.meaning.replace("|", "\\|")


def _placed(declared: list[Field]) -> Iterator[tuple[str, Field]]:
    """Each field with where it begins."""
    bits, variable = 0, ""
    for field in declared:
        shape = field.shape
        at = f"{bits // 8}{variable}"
        if isinstance(shape, Bits) and (bits % 8 or shape.bits % 8):
            # A field that crosses a byte is counted from the byte it begins in.
            first, last = bits % 8, bits % 8 + shape.bits - 1
            at += f", bit {first}" if first == last else f", bits {first} to {last}"
        yield at, field
        match shape:
            case Bits(width):
                bits += width
            case Fixed(length):
                bits += 8 * length
            case Sized(_, count_bits):
                bits, variable = bits + count_bits, f"{variable} + \\|{field.name}\\|"
            case Counted():
                bits, variable = bits + 16, f"{variable} + \\|{field.name}\\|"


def _size(shape: Shape) -> str:
    match shape:
        case Bits(bits) if bits % 8:
            return "1 bit" if bits == 1 else f"{bits} bits"
        case Bits(bits):
            return str(bits // 8)
        case Fixed(length):
            return str(length)
        case Sized(maximum, count_bits):
            return f"{count_bits // 8} + n, n ≤ {maximum}"
        case Counted(element_bits, maximum):
            each = "" if element_bits == 8 else f"{element_bits // 8}"
            return f"2 + {each}n, n ≤ {maximum}"


def _type(shape: Shape) -> str:
    match shape:
        case Bits(bits, signed):
            return f"{'i' if signed else 'u'}{bits}"
        case Fixed():
            return "bytes"
        case Sized(_, count_bits):
            return f"n as u{count_bits}, then n bytes"
        case Counted(element_bits):
            return f"n as u16, then n times u{element_bits}"


main = pages.command(page, pages.DOCS / "wire.md", "declarations", "tools.wire_tables")

if __name__ == "__main__":
    sys.exit(main())
