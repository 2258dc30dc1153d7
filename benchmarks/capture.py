"""How fast a capture is read, beside tshark on the same file, in one run.

``python -m benchmarks.capture [--megabytes 100]``. It writes a capture of NTP
exchanges, a tenth of them, among other UDP, and prints packets a second and the memory at its
highest; it asserts nothing.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import Sheet, record
from tests.captures import CLIENT, SERVER, Truth, ethernet, exchanges, ipv4, pcap

_NTP_SHARE = 10
OURS, TSHARK = "clocksync capture --json", "tshark -Y ntp -T fields"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=100, help="size of the file")
    options = record.parse(parser)
    with tempfile.TemporaryDirectory() as folder:
        for name, share in (("all NTP", 1), ("a tenth NTP", _NTP_SHARE)):
            path = Path(folder) / "capture.pcap"
            packets = write(path, options.megabytes * 1_000_000, share)
            size = path.stat().st_size / 1e6
            print(f"\n{name}: {size:.0f} MB, {packets:,} packets")
            sheet = record.sheet(
                f"{name}: {size:.0f} MB, {packets:,} packets", ("program", "s", "packets/s", "MB")
            )
            ours = [sys.executable, "-m", "clocksync", "capture", str(path), "--json"]
            rates = {OURS: report(OURS, ours, packets, sheet)}
            tshark = shutil.which("tshark")
            if tshark is None:
                print("  tshark is not on this machine")
                record.note("tshark is not on this machine")
                record.headline(
                    f"Packets read from a file, {name}", rates[OURS], "packets/s", better="more"
                )
                continue
            fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "ntp.org", "-e", "ntp.xmt"]
            for peer, how in (
                (TSHARK, ["-Y", "ntp", *fields]),
                ("tshark -q -z conv,udp", ["-q", "-z", "conv,udp"]),
            ):
                rates[peer] = report(peer, [tshark, "-r", str(path), *how], packets, sheet)
            record.bars(
                f"Packets read from a file, {name}",
                "packets/s",
                {who: {"packets/s": rate} for who, rate in rates.items()},
                peers=["tshark"],
            )
            record.headline(
                f"Packets read from a file, {name}",
                rates[OURS],
                "packets/s",
                better="more",
                peer=rates[TSHARK],
                peer_name=TSHARK,
            )


def write(path: Path, size: int, share: int) -> int:
    """A file of about `size` bytes of which one packet in `share` is NTP; how many there are."""
    stored = exchanges(Truth(), 1_000, every=1_000_000)
    other = ethernet(ipv4(CLIENT, SERVER, (5_000, 5_001), bytes(48)))
    block = []
    for when, data in stored:
        block.append((when, ethernet(data)))
        block += [(when, other)] * (share - 1)
    body, count = pcap(block)[24:], 0
    with path.open("wb") as file:
        file.write(pcap([]))
        while file.tell() < size:
            file.write(body)
            count += len(block)
    return count


def report(name: str, command: list[str], packets: int, sheet: Sheet) -> float:
    """Run a program on them; packets a second."""
    before = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = resource_of(process)
    took = time.perf_counter() - before
    megabytes = usage.ru_maxrss / 1024
    print(f"  {name:<28}{took:7.1f} s {packets / took:12,.0f} packets/s {megabytes:7.0f} MB")
    sheet.add(name, f"{took:.1f}", f"{packets / took:,.0f}", f"{megabytes:.0f}")
    return packets / took


def resource_of(process: "subprocess.Popen[bytes]") -> tuple[int, int, resource.struct_rusage]:
    """Wait for a process; what it used."""
    import os

    return os.wait4(process.pid, 0)


if __name__ == "__main__":
    sys.exit(record.run(main))
