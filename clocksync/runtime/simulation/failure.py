"""What a run says when a core breaks its contract, or an invariant does not hold."""

from collections.abc import Hashable, Iterable

from clocksync.runtime.errors import ToolkitError


class SimulationFailure(ToolkitError):
    """A core raised, returned something that is no list of effects, or an invariant broke.

    The text tells all that is needed to see it again: the seed, the node, the input it was given
    and the last lines of the transcript. The cause, where there is one, is chained.
    """

    def __init__(
        self, what: str, seed: object, node: Hashable, given: str, lines: Iterable[str]
    ) -> None:
        self.what = what
        self.seed = seed
        self.node = node
        self.given = given
        self.lines = list(lines)
        head = f"seed {seed}, node {node}, given {given}: {what}"
        report = [head, *(f"    {line}" for line in self.lines)]
        super().__init__("\n".join(report))
