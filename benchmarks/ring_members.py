"""What more members cost: measured to 16 on this machine, and simulated to 64.  [I/O]

    python -m benchmarks.ring_members [--runs 3] [--seconds 2] [--quick]

First table: ``vsync bench`` with 3 to 16 members, all in namespaces of this machine and sharing its
processors, beside the cost model of :mod:`benchmarks.ring_model`, whose two parameters come from
the run of three alone: every other row is a prediction. Second table: the ring's own code in
virtual time, where every member has a processor of its own, as on real machines; what a hop and a
message cost is what was measured here, nothing else is put in.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import ring_model, ring_ours
from benchmarks.harness import Impossible, machine, the_machine_alone
from benchmarks.results import record
from benchmarks.ring_hosts import Failed, Network, Strangers, interruptible, require_hosts
from benchmarks.ring_tables import columns, show
from vsync.bench.run import Result

MEMBERS = (3, 4, 6, 8, 12, 16)
SIMULATED = (3, 4, 8, 16, 32, 64)
LINES: dict[str, list[tuple[float, float]]] = {
    name: []
    for name in (
        "measured",
        "model, shared processors",
        "simulated, own processors",
        "model, own processors",
    )
}
"""Members and messages/s, to be drawn."""


@dataclass
class Measured:
    """By the number of members, every run with little and with much to do."""

    light: dict[int, list[Result]] = field(default_factory=dict)
    full: dict[int, list[Result]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    strangers_percent: float = 0.0


def measure(options: argparse.Namespace) -> Measured:
    """All runs, interleaved."""
    measured, strangers = Measured(), Strangers()
    for number in range(1, options.runs + 1):
        for count in options.members:
            print(f"run {number} of {options.runs}, {count} members", file=sys.stderr)
            common = {"members": count, "seconds": options.seconds}
            try:
                light = ring_ours.bench(Network(), size=64, senders=1, outstanding=1, **common)
                full = ring_ours.bench(Network(), size=options.size, **common)
            except Failed as error:
                measured.skipped.append(f"{count} members: {error}")
                continue
            if not (light.rotations_per_second and full.rotations_per_second):
                measured.skipped.append(f"{count} members: the token did not go round")
                continue
            measured.light.setdefault(count, []).append(light)
            measured.full.setdefault(count, []).append(full)
    measured.strangers_percent = strangers.percent()
    return measured


def middle(results: Sequence[Result]) -> Result:
    """The run whose throughput is the median (the lower one of two)."""
    ordered = sorted(results, key=lambda result: result.messages_per_second)
    return ordered[(len(ordered) - 1) // 2]


def print_measured(measured: Measured, costs: ring_model.Costs) -> None:
    """The first table."""
    table = columns(
        ("members",),
        ("T0 us", "N*b", "T1 us", "model", "messages/s", "model", "of model", "least", "shares %"),
    )
    for count, results in measured.full.items():
        turn = median([1 / one.rotations_per_second for one in results])
        idle = median([1 / one.rotations_per_second for one in measured.light[count]])
        rate = median([one.messages_per_second for one in results])
        model = costs.rotation(count)
        predicted = costs.per_rotation / model
        shares = [share for one in results for share in one.shares]
        table.add_row(
            str(count),
            f"{1e6 * idle:,.0f}",
            f"{1e6 * count * costs.hop:,.0f}",
            f"{1e6 * turn:,.0f}",
            f"{1e6 * model:,.0f}",
            f"{rate:,.0f}",
            f"{predicted:,.0f}",
            f"{rate / predicted:.2f}",
            f"{min(one.messages_per_second for one in results):,.0f}",
            f"{100 * min(shares):.1f}-{100 * max(shares):.1f}",
        )
    show(
        f"{costs.size} B, all send, {Network()}, encrypted, on this machine"
        f" ({costs.cores} processors); T0: rotation with one message on its way, T1: full",
        table,
    )
    told = (
        f"b = {1e6 * costs.hop:.1f} us a hop, c = {1e6 * costs.message:.2f} us a message of three"
        f" members on {costs.cores} processors, {1e6 * costs.message_own:.2f} us of one's own"
        f" processor, m = {costs.per_rotation:,.0f} messages a rotation"
    )
    print(told)
    record.note(told)
    of_model = {}
    for count, results in measured.full.items():
        rate = median([one.messages_per_second for one in results])
        LINES["measured"].append((count, rate))
        LINES["model, shared processors"].append(
            (count, costs.per_rotation / costs.rotation(count))
        )
        of_model[count] = rate * costs.rotation(count) / costs.per_rotation
    for count in (8, 16):
        if count in of_model:
            record.headline(
                f"Throughput of {count} members, of what the model says",
                100 * of_model[count],
                "%",
                better="more",
            )


def print_simulated(costs: ring_model.Costs, counts: Sequence[int]) -> None:
    """The second table."""
    table = columns(
        ("members",),
        ("T0 us (N*b)", "T1 us, simulated", "model", "messages/s, simulated", "model", "took s"),
    )
    for count in counts:
        print(f"simulating {count} members", file=sys.stderr)
        began = time.monotonic()
        found = ring_model.simulated(count, costs)
        model = costs.rotation_own(count)
        table.add_row(
            str(count),
            f"{1e6 * count * costs.hop:,.0f}",
            f"{1e6 * found.rotation:,.0f}",
            f"{1e6 * model:,.0f}",
            f"{found.messages_per_second:,.0f}",
            f"{costs.per_rotation / model:,.0f}",
            f"{time.monotonic() - began:.1f}",
        )
        LINES["simulated, own processors"].append((count, found.messages_per_second))
        LINES["model, own processors"].append((count, costs.per_rotation / model))
    show(
        f"{costs.size} B, all send, SIMULATED: a processor for each member, costs as measured",
        table,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 0, also where nothing can be measured. 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ring_members", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=3, help="medians of so many (3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (2)")
    parser.add_argument("--size", type=int, default=1024, help="bytes of a message (1024)")
    parser.add_argument("--members", type=int, nargs="+", default=MEMBERS, metavar="N")
    parser.add_argument("--simulated", type=int, nargs="*", default=SIMULATED, metavar="N")
    parser.add_argument("--quick", action="store_true", help="one run of 1 s each")
    options = record.parse(parser, arguments)
    if options.quick:
        options.runs, options.seconds = 1, 1.0
    fit = ring_model.FITTED_TO
    if options.runs < 1 or options.seconds <= 0 or fit not in options.members:
        parser.error(f"--runs from 1, --seconds above 0, and --members with {fit} among them")
    try:
        require_hosts()
        with interruptible(), the_machine_alone():
            measured = measure(options)
            print(machine())
            runs = f"medians of {options.runs} runs" if options.runs > 1 else "ONE run, smoke test"
            print(f"{runs} of {options.seconds:g} s")
            if fit in measured.full:
                light, full = middle(measured.light[fit]), middle(measured.full[fit])
                costs = ring_model.fitted(light, full, os.cpu_count() or 1)
                print_measured(measured, costs)
                print_simulated(costs, options.simulated)
    except Impossible as error:
        record.impossible(error)
        print(f"ring_members: skipped: {error}")
        return 0
    except KeyboardInterrupt:
        print("ring_members: interrupted; all that was started has been ended", file=sys.stderr)
        return 130
    strangers = (
        f"other programs took {measured.strangers_percent:.0f} % of the processors meanwhile"
    )
    print(f"\n{strangers}")
    record.note(strangers)
    for line in measured.skipped:
        print(f"failed: {line}")
        record.note(f"failed: {line}")
    title = f"Messages of {options.size:,} bytes delivered at every member"
    record.lines(title, "members", "messages/s", LINES, log="xy", peers=["model"])
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
