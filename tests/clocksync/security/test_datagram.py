"""The datagram, byte by byte: by hand, by another implementation, and every reason of a refusal."""

import hmac
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from clocksync.runtime import envelope
from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.security import datagram, replay
from clocksync.security.datagram import ANYBODY, HEADER_BYTES, HELLO_BYTES, Hello, SealedHeader
from clocksync.security.keyring import GroupKey, KeyRing
from clocksync.security.plain import PlainSealer
from clocksync.security.sealer import Sealer
from tests.clocksync.security.talk import (
    BODY,
    CLUSTER,
    JOIN,
    MS,
    Talk,
    group_key,
    incarnation,
    ring,
    sealer,
)


def by_hand(key: bytes, label: bytes) -> bytes:
    """HKDF-SHA256 of RFC 5869, written out: one block, and no salt."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, label + b"\1", "sha256")


def test_a_datagram_is_the_bytes_written_by_hand() -> None:
    member = sealer(0x0102, keys=ring(5))
    member.seal(JOIN, b"the first")
    data = member.seal(JOIN, BODY)
    header = bytes.fromhex("c10c 02 33 00000007 0102 05") + incarnation(0x0102)[:4] + b"\0" * 7
    header += b"\2"
    assert data[:HEADER_BYTES] == header
    assert len(data) == len(BODY) + Sealer.OVERHEAD == len(BODY) + 39


def test_another_implementation_of_the_recipe_opens_it() -> None:
    data = sealer(3, keys=ring(5)).seal(JOIN, BODY)
    label = b"vsync 2 datagram AES-256-GCM" + bytes.fromhex("05 00000007 0003") + incarnation(3)
    key = by_hand(group_key(5).secret, label)
    cipher = Cipher(algorithms.AES(key), modes.GCM(data[11:23], data[-16:])).decryptor()
    cipher.authenticate_additional_data(data[:23])
    assert cipher.update(data[23:-16]) + cipher.finalize() == BODY


def test_a_hello_is_the_bytes_written_by_hand() -> None:
    talk = Talk(1, 2, keys=ring(5))
    talk[1].seal(JOIN, b"")
    talk.greet(1, 2)
    ((_, _, data),) = talk.posted()
    clear = bytes.fromhex("c10c 02 1f 00000007 0001 05 0002") + incarnation(1) + b"\0" * 7 + b"\2"
    assert data[:37] == clear
    assert data[37:45] != bytes(8), "a challenge"
    assert data[45:53] == bytes(8), "no echo"
    key = by_hand(group_key(5).secret, b"vsync 2 hello HMAC-SHA256" + bytes.fromhex("05 00000007"))
    assert data[53:] == hmac.digest(key, data[:53], "sha256")[:16]
    assert len(data) == HELLO_BYTES == 69


def test_the_headers_are_as_declared() -> None:
    data = sealer(3, keys=ring(5)).seal(JOIN, b"")
    prefix = int.from_bytes(incarnation(3)[:4], "big")
    assert SealedHeader.decode_prefix(data) == (
        SealedHeader(0xC10C, 2, JOIN, CLUSTER, 3, 5, prefix, 1),
        HEADER_BYTES,
    )
    # What headers of all versions have in common: a node of one can name the others'.
    theirs, end = envelope.EnvelopeHeader.decode_prefix(data)
    assert (theirs.magic, theirs.kind, theirs.cluster, theirs.sender) == (0xC10C, JOIN, CLUSTER, 3)
    assert end - 4 == 10


def test_what_goes_in_comes_out_with_its_sender_and_kind() -> None:
    talk = Talk(1, 2, 3).acquainted()
    for body in (b"", b"x", bytes(1400), bytes(60_000)):
        for kind in (1, JOIN, 255):
            data = talk[1].seal(kind, body)
            assert talk.hear(2, data) == (1, kind, body)
            assert talk[3].open(memoryview(data), talk.now) == (1, kind, body), "one for all"
    assert talk.hear(1, talk[2].seal(JOIN, BODY)) == (2, JOIN, BODY)


def test_a_run_is_sealed_as_one_by_one() -> None:
    one, many = sealer(1), sealer(1)
    bodies = [b"a", b"", b"ccc"]
    assert many.seal_many(JOIN, iter(bodies)) == [one.seal(JOIN, body) for body in bodies]
    assert many.seal(JOIN, b"after") == one.seal(JOIN, b"after")


def test_bodies_that_seal_themselves_take_no_number_twice() -> None:
    member = sealer(1)
    inner: list[bytes] = []

    def bodies() -> Iterator[bytes]:
        for body in (b"a", b"b"):
            inner.append(member.seal(JOIN, body))
            yield body

    sealed = member.seal_many(JOIN, bodies()) + inner + [member.seal(JOIN, b"")]
    assert len({data[15:23] for data in sealed}) == len(sealed) == 5


def test_no_two_datagrams_are_alike() -> None:
    talk = Talk(1, 2)
    sealed = [talk.says(1) for _ in range(100)] + [talk.says(2)]
    talk.restart(1)
    sealed.append(talk.says(1))
    assert len({data[HEADER_BYTES:] for data in sealed}) == 102, "not even those of one body"


def test_the_kind_of_a_hello_is_no_kind_of_a_frame() -> None:
    for kind in (Hello.KIND, 0, 256):
        with pytest.raises(KeyError):
            sealer(1).seal(kind, b"")
        with pytest.raises(KeyError):
            sealer(1).seal_many(kind, [b""])


def _with(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


REFUSED = [
    ("nothing", lambda data: b"", envelope.TOO_SHORT),
    ("nine bytes", lambda data: data[:9], envelope.TOO_SHORT),
    ("no tag", lambda data: data[:38], envelope.TOO_SHORT),
    ("an empty body", lambda data: data[:39], datagram.BAD_TAG),
    ("the last byte missing", lambda data: data[:-1], datagram.BAD_TAG),
    ("a byte more", lambda data: data + b"\0", datagram.BAD_TAG),
    ("another magic", lambda data: _with(data, 0, b"\xc1\x0d"), envelope.FOREIGN_MAGIC),
    ("version 1", lambda data: _with(data, 2, b"\1"), envelope.OTHER_VERSION),
    ("version 3, short", lambda data: _with(data, 2, b"\3")[:10], envelope.OTHER_VERSION),
    ("another kind", lambda data: _with(data, 3, b"\x34"), datagram.BAD_TAG),
    ("another cluster", lambda data: _with(data, 4, b"\0\0\0\x08"), envelope.WRONG_CLUSTER),
    ("another sender", lambda data: _with(data, 8, b"\0\3"), datagram.UNKNOWN_INCARNATION),
    ("ourselves", lambda data: _with(data, 8, b"\0\2"), datagram.REFLECTED),
    ("another key", lambda data: _with(data, 10, b"\2"), datagram.UNKNOWN_KEY),
    ("another incarnation", lambda data: _with(data, 11, b"abcd"), datagram.UNKNOWN_INCARNATION),
    ("a counter of the past", lambda data: _with(data, 15, bytes(8)), replay.TOO_OLD),
    ("a counter of the future", lambda data: _with(data, 15, b"\x7f"), datagram.BAD_TAG),
    ("another body", lambda data: _with(data, 30, b"\xff"), datagram.BAD_TAG),
    ("another tag", lambda data: _with(data, len(data) - 16, b"\xff"), datagram.BAD_TAG),
    ("a hello that is none", lambda data: _with(data, 3, b"\x1f"), "trailing bytes"),
    ("half a hello", lambda data: _with(data, 3, b"\x1f")[:60], envelope.TOO_SHORT),
]


@pytest.mark.parametrize(("what", "change", "reason"), REFUSED, ids=[what for what, *_ in REFUSED])
def test_each_cause_of_a_refusal_has_its_own_reason(what, change, reason) -> None:
    talk = Talk(1, 2).acquainted()
    data = talk.says(1)
    before = talk.mind(2)
    assert talk.hear(2, change(data)) == reason
    assert talk.mind(2) == before, "a refusal changes nothing"
    assert talk.hear(2, data) == (1, JOIN, BODY), "the right one is still new"
    assert talk.hear(2, data) == replay.REPLAYED


def test_every_bit_is_covered() -> None:
    talk = Talk(1, 2).acquainted()
    data = talk.says(1, b"short")
    for bit in range(8 * len(data)):
        bad = (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
        assert isinstance(talk.hear(2, bad), str), f"bit {bit}"
    assert talk.hear(2, data) == (1, JOIN, b"short")


def test_every_length_but_the_right_one_is_refused() -> None:
    talk = Talk(1, 2).acquainted()
    data = talk.says(1)
    for end in range(len(data)):
        assert isinstance(talk.hear(2, data[:end]), str), f"{end} bytes"
    assert talk.hear(2, data) == (1, JOIN, BODY)


@pytest.mark.parametrize("size", [0, 1, 22, 30, 100])
def test_a_node_of_either_version_names_the_others_datagrams(size: int) -> None:
    protected, plain = sealer(1), PlainSealer(CLUSTER, 2)
    with pytest.raises(MalformedFrame, match=r"^another version of the envelope$"):
        protected.open(plain.seal(JOIN, bytes(size)), 0)
    with pytest.raises(MalformedFrame, match=r"^another version of the envelope$"):
        plain.open(protected.seal(JOIN, bytes(size)), 0)
    protected.greet(2, 0)
    with pytest.raises(MalformedFrame, match=r"^another version of the envelope$"):
        plain.open(protected.take_outgoing()[0][1], 0)


def test_two_groups_with_one_key_file_do_not_understand_each_other() -> None:
    ours, theirs = sealer(2), sealer(1, cluster=CLUSTER + 1)
    theirs.greet(2, 0)
    ((_, hello),) = theirs.take_outgoing()
    for data in (hello, theirs.seal(JOIN, BODY)):
        with pytest.raises(MalformedFrame, match=envelope.WRONG_CLUSTER):
            ours.open(data, 0)
        moved = _with(data, 4, CLUSTER.to_bytes(4, "big"))
        with pytest.raises(MalformedFrame, match=r"bad tag|unknown incarnation"):
            ours.open(moved, 0)


def test_groups_with_other_keys_of_one_number_do_not_understand_each_other() -> None:
    talk = Talk(1, 2)
    talk.members[2] = sealer(2, keys=KeyRing((GroupKey(1, b"x" * 32),), 1))
    for _ in range(5):
        talk.greet(1, 2)
        talk.greet(2, 1)
        for _, peer, data in talk.posted():
            assert talk.hear(peer, data) == datagram.BAD_TAG
        assert talk.hear(2, talk.says(1)) == datagram.UNKNOWN_INCARNATION
        talk.now += 1000 * MS


@pytest.mark.parametrize(
    ("cluster", "me", "own", "message"),
    [
        (1 << 32, 1, bytes(16), "cluster = 4294967296 is not in 0 to 4294967295"),
        (-1, 1, bytes(16), "cluster = -1"),
        (7, 1 << 16, bytes(16), "node number 65536 is not in 0 to 65534"),
        (7, ANYBODY, bytes(16), "node number 65535 means anybody: give a member one below it"),
        (7, -1, bytes(16), "node number -1"),
        (7, 1, bytes(15), "an incarnation has 16 bytes, not 15"),
    ],
)
def test_an_impossible_setting_is_named(cluster, me, own, message) -> None:
    with pytest.raises(BadConfig, match=message):
        Sealer(ring(1), cluster, me, own, bytes)
    if cluster == 7 and len(own) == 16:
        with pytest.raises(BadConfig, match=message):
            PlainSealer(cluster, me)
