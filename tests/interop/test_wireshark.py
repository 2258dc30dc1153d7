"""tshark, with the generated dissector, shows every frame of the toolkit by name."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clocksync.runtime.envelope import protect
from clocksync.runtime.wire import Bits, Counted, Fixed, Frame, Sized, layout
from clocksync.security.datagram import Hello, SealedHeader
from tests.captures import CLIENT, SERVER, START, ipv4, pcap
from tests.namespaces import stop_test
from tools import wire_tables, wireshark_dissector

pytestmark = [pytest.mark.interop, pytest.mark.slow]
RAW = 101


def test_the_dissector_is_up_to_date() -> None:
    assert wireshark_dissector.main(["--check"]) == 0


def some(cls: type[Frame], draw: random.Random) -> Frame:
    """A frame with a value other than 0 in each field, where it is no frame's own constant."""
    values: dict[str, Any] = {}
    for field in layout(cls):
        match field.shape:
            case Bits() as bits:
                values[field.name] = draw.randint(1, bits.highest)
            case Fixed(length):
                values[field.name] = draw.randbytes(length)
            case Sized(maximum, _):
                values[field.name] = draw.randbytes(min(5, maximum))
            case Counted(element_bits, _):
                values[field.name] = tuple(draw.getrandbits(element_bits) for _ in range(3))
    constants = {"magic": 0xC10C, "version": 2, "kind": cls.KIND if cls.KIND > 0 else 0x30}
    if cls in (Hello, SealedHeader):
        values |= constants
    return cls(**values)


def tshark(path: Path) -> list[dict[str, Any]]:
    program = shutil.which("tshark")
    if program is None:
        stop_test("tshark is not on this machine: apt-get install tshark")
    command = [program, "-X", f"lua_script:{wireshark_dissector.SCRIPT}", "-r", str(path)]
    finished = subprocess.run(
        [*command, "-T", "json", "--no-duplicate-keys"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Lua" not in finished.stderr, finished.stderr
    return [packet["_source"]["layers"] for packet in json.loads(finished.stdout)]


def flat(tree: Any, into: dict[str, Any]) -> dict[str, Any]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, dict):
                flat(value, into)
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                for each in value:
                    flat(each, into)
            else:
                into[key] = value
    return into


def shown(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex(":")
    return [str(each) for each in value] if isinstance(value, tuple) else str(value)


def test_every_frame_is_shown_with_its_values(tmp_path: Path) -> None:
    draw = random.Random(11)
    classes = [cls for cls in wire_tables.frames() if 0 < cls.KIND < 256 and cls is not Hello]
    frames = [some(cls, draw) for cls in classes]
    datagrams = [protect(frame.KIND, 7, 3, frame.encode()) for frame in frames]
    hello, header = some(Hello, draw), some(SealedHeader, draw)
    datagrams += [hello.encode(), header.encode() + draw.randbytes(40)]
    stored = [
        (START + number, ipv4(CLIENT, SERVER, (40_000, 40_001), data))
        for number, data in enumerate(datagrams)
    ]
    path = tmp_path / "frames.pcap"
    path.write_bytes(pcap(stored, RAW))
    packets = tshark(path)
    assert len(packets) == len(datagrams)
    keys = [wireshark_dissector._key(cls) for cls in classes] + ["hello", "sealed"]
    for frame, key, packet in zip([*frames, hello, header], keys, packets, strict=True):
        assert "_ws.malformed" not in json.dumps(packet), key
        assert "_ws.expert" not in json.dumps(packet), key
        values = flat(packet, {})
        for field in layout(type(frame)):
            value = getattr(frame, field.name)
            assert values[f"clocksync.{key}.{field.name}"] == shown(value), (key, field.name)


def test_a_frame_that_ends_early_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap([(START, ipv4(CLIENT, SERVER, (1, 2), protect(0x32, 7, 3, b"ab")))], RAW))
    (packet,) = tshark(path)
    assert "Frame ends early" in json.dumps(packet)
