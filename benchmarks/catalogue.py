"""All benchmarks that a report runs, in its order, and what makes each of them quick."""

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CLOCKS, ORDER, GROUPS = "Clocks", "Ordering", "Groups"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module of this package."""

    name: str
    title: str
    part: str
    quick: tuple[str, ...]
    """Options for about ten seconds: enough to see that it works, nothing to quote."""
    minutes: int = 15
    """It is ended after so many."""

    @property
    def docstring(self) -> str:
        """What the module says of itself."""
        tree = ast.parse((HERE / f"{self.name}.py").read_text(encoding="utf-8"))
        return ast.get_docstring(tree) or ""

    def arguments(self, is_quick: bool) -> list[str]:
        """What it is run with; nothing else than its defaults unless quick."""
        return list(self.quick) if is_quick else []

    def explanation(self) -> list[str]:
        """The docstring's paragraphs, in one line each; pieces of code keep their lines."""
        text = self.docstring.replace("[I/O]", "")
        found = []
        for paragraph in text.split("\n\n"):
            if paragraph.startswith("    "):
                found.append(textwrap.indent(textwrap.dedent(paragraph).rstrip(), "    "))
            else:
                found.append(" ".join(paragraph.split()))
        return [paragraph for paragraph in found if paragraph.strip() not in ("", "::")]


BENCHMARKS = (
    Benchmark("accuracy", "Measuring a clock", CLOCKS, ("--rounds=1", "--samples=24")),
    Benchmark("probe_cost", "The cost of a probe", CLOCKS, ("--rounds=1", "--hosts=200")),
    Benchmark("serve_rate", "Answering NTP", CLOCKS, ("--rounds=1", "--seconds=0.3")),
    Benchmark("watch", "Watching a clock", CLOCKS, ("--rounds=1", "--samples=32")),
    Benchmark("discipline", "Steering a clock", CLOCKS, ("--rounds=1", "--seconds=1"), 20),
    Benchmark("servo", "Servos on a simulated day", CLOCKS, ("--days=1",), 30),
    Benchmark(
        "cristian", "Reading a clock to within a bound", CLOCKS, ("--probes=40", "--readings=3")
    ),
    Benchmark("berkeley", "Agreeing on a time", CLOCKS, ("--rounds=4", "--repetitions=1")),
    Benchmark("rbs", "Reference broadcasts", CLOCKS, ("--rounds=1", "--broadcasts=100")),
    Benchmark("mesh", "A mesh of hosts", CLOCKS, ("--rounds=1", "--meshes=2", "--polls=24")),
    Benchmark(
        "mesh_filters", "What becomes of a mesh's samples", CLOCKS, ("--rounds=1", "--meshes=1")
    ),
    Benchmark(
        "authentication", "Authentication", CLOCKS, ("--rounds=1", "--samples=200", "--seconds=0.2")
    ),
    Benchmark("ptp", "PTP", CLOCKS, ("--rounds=1", "--samples=24")),
    Benchmark("capture", "Reading captures", CLOCKS, ("--megabytes=5",)),
    Benchmark("scales", "Time scales", CLOCKS, ("--times=2000",)),
    Benchmark("gnss", "GNSS", CLOCKS, ()),
    Benchmark("logical_clocks", "Logical clocks", ORDER, ("--members=100",)),
    Benchmark("multicast", "Ordered multicast", ORDER, ("--seconds=0.5",)),
    Benchmark("mutex", "Mutual exclusion", ORDER, ("--seconds=0.1",)),
    Benchmark("seal", "Protecting datagrams", GROUPS, ("--datagrams=460",)),
    Benchmark("ring_thread", "A busy application on a ring", GROUPS, ("--seconds=0.5",)),
    Benchmark("state_transfer", "Handing over a large state", GROUPS, ("--mib=64",)),
    Benchmark(
        "ring_crash", "A crash, a pulled cable", GROUPS, ("--quick", "--timeouts", "200", "50"), 45
    ),
    Benchmark(
        "ring_members",
        "Rings of more members",
        GROUPS,
        ("--runs=1", "--seconds=0.5", "--members", "3", "4", "--simulated", "3", "4", "8"),
        45,
    ),
    Benchmark("ring_clocks", "The time of a group", GROUPS, ("--seconds=0.5",)),
    Benchmark(
        "stamping",
        "What timestamps cost",
        GROUPS,
        ("--rounds=1", "--seconds=0.3", "--sizes", "64"),
    ),
    Benchmark(
        "ring",
        "A ring of three",
        GROUPS,
        (
            "--runs=1",
            "--seconds=0.3",
            "--idle-seconds=0.5",
            "--network=1500",
            "--sizes",
            "64",
            "1024",
        ),
        120,
    ),
)
NAMED = {benchmark.name: benchmark for benchmark in BENCHMARKS}
