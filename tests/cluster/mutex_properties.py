"""What must be true of every run of a mutex, checked from outside.

Each property yields its offences, one line each. None of them looks into a core.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.cluster.mutex_world import Played, draw, play, storm

Offences = Iterator[str]


class Violated(AssertionError):
    """A property does not hold; `name` is which."""

    def __init__(self, name: str, offence: str, played: Played) -> None:
        lines = "\n".join(f"    {line}" for line in played.world.transcript.lines())
        super().__init__(f"{name}: {offence}\n{played.scenario}\n{lines}")
        self.name = name


def at_most_one_is_inside(played: Played) -> Offences:
    """Exclusion, as long as nobody stands still inside."""
    yield from played.overlaps


def fencing_tokens_grow(played: Played) -> Offences:
    """Every grant's token is above all that were granted before it."""
    for before, after in zip(played.entries, played.entries[1:], strict=False):
        if after.token <= before.token:
            yield f"{after} after {before}"


def everybody_gets_in(played: Played) -> Offences:
    """Who asks, and neither dies nor gives up, is inside at last."""
    for member, count in played.done.items():
        if member not in played.gone and count < played.scenario.rounds:
            yield f"{member} was inside {count} of {played.scenario.rounds} times"


def nothing_is_lost_without_cause(played: Played) -> Offences:
    """A grant is taken away only where somebody was cut off, or a message took a lease's time."""
    if not played.bounded:
        return
    cut = {trouble.member for trouble in played.scenario.troubles if trouble.kind == "cut"}
    for entry in played.entries:
        if entry.how == "lost" and entry.member not in cut:
            yield f"{entry} though nobody cut it off"


PROPERTIES: tuple[Callable[[Played], Offences], ...] = (
    at_most_one_is_inside,
    fencing_tokens_grow,
    everybody_gets_in,
    nothing_is_lost_without_cause,
)


def check(seed: int) -> Counter[str]:
    """Play the scenario of a seed and check it; what it counted. A campaign calls this.

    Raises:
        Violated: a property does not hold.
        SimulationFailure: a core broke its contract.
    """
    return judge(play(draw(seed)))


def judge(played: Played) -> Counter[str]:
    """Check one run.

    Raises:
        Violated: a property does not hold.
    """
    for holds in PROPERTIES:
        for offence in holds(played):
            raise Violated(holds.__name__, offence, played)
    ends = Counter(entry.how for entry in played.entries)
    totals = Counter(schedules=1, entries=len(played.entries), events=played.world.events_run)
    totals.update({f"entries {how}": count for how, count in ends.items()})
    totals.update({f"troubles: {trouble.kind}": 1 for trouble in played.scenario.troubles})
    totals[played.scenario.algorithm] = 1
    return totals


def check_storm(seed: int) -> Counter[str]:
    """Play the storm of a seed and check what holds in any; what it counted. For campaigns.

    Raises:
        Violated: a property does not hold.
        SimulationFailure: a core broke its contract.
    """
    played = storm(seed)
    for holds in (at_most_one_is_inside, fencing_tokens_grow):
        for offence in holds(played):
            raise Violated(holds.__name__, offence, played)
    ends = Counter(f"entries {entry.how or 'at the end'}" for entry in played.entries)
    return Counter(storms=1, entries=len(played.entries), **ends)
