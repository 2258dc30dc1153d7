"""What datagrams of version 2 look like, and why one is refused.

Version 1, the plain envelope, has the same first ten bytes (:mod:`clocksync.runtime.envelope`), so
that a node of either version can name the other's datagrams.
"""

import hmac
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.wire import U8, U16, U32, U64, Fixed, Frame, layout

VERSION = 2
TAG_BYTES = 16
INCARNATION_BYTES = 16
ANYBODY = 0xFFFF
"""No member's number. A hello for it is a hail: it is for whoever gets it."""

# The reasons of a refusal, besides those of the envelope and of the replay window.
UNKNOWN_KEY = "unknown key"
UNKNOWN_INCARNATION = "unknown incarnation"
SUPERSEDED = "superseded incarnation"
REFLECTED = "our own datagram"
FOR_ANOTHER = "hello for another member"
NOBODYS = "in the name of nobody"
TOO_MANY = "more peers than are kept"
BAD_TAG = "bad tag"


@dataclass(frozen=True, slots=True)
class SealedHeader(Frame):
    """What stands in clear, authenticated, before an encrypted frame; behind that a 16-byte tag.

    The last two fields are the nonce.
    """

    magic: Annotated[U16, "0xC10C"]
    version: Annotated[U8, "2: encrypted and authenticated"]
    kind: Annotated[U8, "which frame follows"]
    cluster: Annotated[U32, "the group of nodes it belongs to"]
    sender: Annotated[U16, "the node that sent it"]
    key: Annotated[U8, "number of the group's key it is sealed under"]
    incarnation: Annotated[U32, "the first 4 bytes of the sender's"]
    counter: Annotated[U64, "of the sender's datagrams and hellos, from 1; never starts again"]


@dataclass(frozen=True, slots=True)
class Hello(Frame):
    """Proves to one peer that this incarnation of the sender lives, or asks it for that proof."""

    KIND: ClassVar[int] = 0x1F
    magic: Annotated[U16, "0xC10C"]
    version: Annotated[U8, "2"]
    kind: Annotated[U8, "0x1F"]
    cluster: Annotated[U32, "the group of nodes it belongs to"]
    sender: Annotated[U16, "the node that sent it"]
    key: Annotated[U8, "number of the group's key it is authenticated under"]
    receiver: Annotated[U16, "the node it is for; 65535: whoever gets it"]
    incarnation: Annotated[bytes, Fixed(INCARNATION_BYTES), "the sender's, drawn when it started"]
    counter: Annotated[U64, "the sender's next; what it seals from here on has higher ones"]
    challenge: Annotated[U64, "to be echoed by the receiver; 0: it is believed already"]
    echo: Annotated[U64, "the receiver's challenge; 0: none"]
    tag: Annotated[bytes, Fixed(TAG_BYTES), "HMAC-SHA256 of everything before, its first 16 bytes"]


HEADER_BYTES = layout(SealedHeader).fixed_size
HELLO_BYTES = layout(Hello).fixed_size
NONCE = slice(11, HEADER_BYTES)
"""Where it stands in a sealed datagram: incarnation and counter."""


def hello_tag(key: bytes, data: bytes | memoryview) -> bytes:
    """The tag of a hello; `data` is what stands before it."""
    return hmac.digest(key, data, "sha256")[:TAG_BYTES]


def check_number(me: int) -> None:
    """Whether a member can have this number.

    Raises:
        BadConfig: it cannot.
    """
    if me == ANYBODY:
        raise BadConfig(f"node number {ANYBODY} means anybody: give a member one below it")
    if not 0 <= me < ANYBODY:
        raise BadConfig(f"node number {me} is not in 0 to {ANYBODY - 1}")


class Opened(NamedTuple):
    """What was in a datagram, and who sealed it."""

    sender: int
    kind: int
    body: bytes | memoryview
