"""scapy layers built from frame declarations, for capture and dissection.

A layer shows the values of its frame under the frame's field names and builds the same bytes. Two
things are added: a count before each field of variable length, named ``<field>_count``, and a
trailing underscore where scapy's own ``Packet`` uses the name (``payload_``).

scapy is slow to import and GPL-2.0-only: this module imports it, so import this module only where
packets are dissected.
"""

from typing import Any

from scapy.fields import (
    BitField,
    Field,
    FieldLenField,
    FieldListField,
    SignedByteField,
    SignedIntField,
    SignedLongField,
    SignedShortField,
    StrFixedLenField,
    StrLenField,
)
from scapy.packet import Packet, bind_layers

from clocksync.runtime.envelope import EnvelopeHeader
from clocksync.runtime.wire import Bits, Counted, Fixed, Frame, Sized, layout
from clocksync.runtime.wire import Field as Declared

_SIGNED = {8: SignedByteField, 16: SignedShortField, 32: SignedIntField, 64: SignedLongField}
_CODES = {8: "B", 16: "H", 32: "I", 64: "Q"}
_TAKEN = frozenset(dir(Packet)) | frozenset(getattr(Packet, "__all_slots__", ()))


_LAYERS: dict[type[Frame], Any] = {}


def layer(cls: type[Frame]) -> Any:
    """The scapy ``Packet`` class of a frame class. What follows the frame is scapy's payload."""
    if cls not in _LAYERS:
        fields = [part for declared in layout(cls) for part in _scapy_fields(declared)]
        _LAYERS[cls] = type(cls.__name__, (Packet,), {"name": cls.__name__, "fields_desc": fields})
    return _LAYERS[cls]


def envelope_layer(frames: tuple[type[Frame], ...]) -> Any:
    """A layer of the envelope's header that dissects these frames behind it by their kind.

    It is a new class at each call and nothing is registered with scapy's global layers. It shows
    ``check`` as it came and computes none: whole datagrams come from ``Envelope.encode``.
    """
    header = type("Envelope", (layer(EnvelopeHeader),), {"name": "Envelope"})
    for cls in frames:
        bind_layers(header, layer(cls), kind=cls.KIND)
    return header


def to_packet(frame: Frame) -> Any:
    """A frame as a scapy packet."""
    values = {}
    for declared in layout(type(frame)):
        value = getattr(frame, declared.name)
        values[field_name(declared.name)] = list(value) if isinstance(value, tuple) else value
    return layer(type(frame))(**values)


def to_frame(cls: type[Frame], packet: Any) -> Frame:
    """The frame of class `cls` that a packet of its layer shows."""
    values = {}
    for declared in layout(cls):
        value = getattr(packet, field_name(declared.name))
        values[declared.name] = tuple(value) if isinstance(declared.shape, Counted) else value
    return cls(**values)


def field_name(name: str) -> str:
    """What a frame's field is called in its layer."""
    return f"{name}_" if name in _TAKEN else name


def _scapy_fields(declared: Declared) -> list[Any]:
    name, shape = field_name(declared.name), declared.shape
    count = f"{declared.name}_count"
    match shape:
        case Bits(bits, signed=True):
            return [_SIGNED[bits](name, 0)]
        case Bits(bits):
            return [BitField(name, 0, bits)]
        case Fixed(length):
            return [StrFixedLenField(name, bytes(length), length)]
        case Sized(_, count_bits):
            return [
                FieldLenField(count, None, length_of=name, fmt=_CODES[count_bits]),
                StrLenField(name, b"", length_from=lambda packet: getattr(packet, count)),
            ]
        case Counted(element_bits, maximum):
            entries = FieldListField(
                name,
                [],
                Field("", 0, fmt=_CODES[element_bits]),
                count_from=lambda packet: getattr(packet, count),
            )
            # scapy 2.6 gave up after 100 entries unless told; 2.5 has no such limit to set.
            if hasattr(entries, "max_count"):
                entries.max_count = maximum + 1
            return [FieldLenField(count, None, count_of=name, fmt="H"), entries]
