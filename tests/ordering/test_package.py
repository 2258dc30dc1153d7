"""What `import ordering` costs, and that what it names is there."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import ordering
import ordering.trace
from ordering import HybridClock, IntervalTreeClock, LamportClock, VectorClock

HEAVY = {"numpy", "asyncio", "typer", "rich", "scapy", "ordering.cli", "clocksync.runtime.wire"}


def loaded_by(code):
    """The modules a fresh interpreter has after `code`, beyond those of its own start."""
    before = "import sys; before = set(sys.modules); "
    after = "; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", before + code + after], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_ordering_loads_itself_and_hardly_more():
    loaded = loaded_by("import ordering")
    assert "ordering" in loaded
    assert not loaded & (HEAVY | {"ordering.lamport", "dataclasses", "typing"})


def test_no_logical_clock_loads_anything_heavy():
    loaded = loaded_by("from ordering import *")
    assert {"ordering.vector", "ordering.hybrid"} <= loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("package", [ordering, ordering.trace])
def test_every_public_name_resolves_and_is_documented(package):
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        assert getattr(package, name).__doc__ or name in {"Process", "Cut"}
        assert name in dir(package)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = package.nonsense


CLOCKS = [
    lambda: LamportClock("a"),
    lambda: VectorClock("a"),
    lambda: HybridClock("a", lambda: 0),
    IntervalTreeClock,
]


@pytest.mark.parametrize("make", CLOCKS)
def test_threads_that_share_a_clock_never_get_the_same_stamp(make):
    clock, stamps, many = make(), [], 300
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        gate = threading.Barrier(4)

        def work():
            mine = []
            gate.wait()
            for _ in range(many):
                sent = clock.send()
                mine += (sent, clock.receive(sent))
            stamps.extend(mine)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switching)
    assert len(set(stamps)) == 4 * 2 * many


def test_the_first_example_of_the_documentation_is_true():
    text = (Path(__file__).parents[2] / "docs" / "ordering.md").read_text("utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    assert "CONCURRENT" in example
    exec(compile(example, "docs/ordering.md", "exec"), {})


class WatchedLock:
    """A lock that notes what its clock looked like when it was taken and when it was let go."""

    def __init__(self, clock):
        self.clock = clock
        self.seen = []
        self.lock = threading.Lock()

    def __enter__(self):
        self.lock.acquire()
        self.seen.append(repr(self.clock))

    def __exit__(self, *error):
        self.seen.append(repr(self.clock))
        self.lock.release()


@pytest.mark.parametrize("make", CLOCKS)
@pytest.mark.parametrize("verb", ["tick", "send", "receive", "wrap", "unwrap"])
def test_a_clock_moves_once_for_each_event_and_only_under_its_lock(make, verb):
    clock, other = make(), make()
    clock.tick()
    arguments = {
        "receive": [other.send()],
        "wrap": [b""],
        "unwrap": [other.wrap(b"")],
    }.get(verb, [])
    before = repr(clock)
    clock._lock = WatchedLock(clock)
    getattr(clock, verb)(*arguments)
    assert clock._lock.seen == [before, repr(clock)]
    assert repr(clock) != before
