"""Which runs of groups are judged: one function from a seed, for CI's sample and for campaigns."""

from collections import Counter

from ordering.multicast.acknowledgement import Rule
from ordering.testing import HARMLESS, MemberSettings, Order, Played, draw, judge, replay

CRASHES = ("crash", "restart", "loss", "pause", "partition", "delay", "asymmetric")


def settings_of(seed: int, order: Order) -> MemberSettings:
    """Rules and sequencers take turns."""
    return MemberSettings(
        order=order,
        rule=(Rule.SPARING, Rule.FULL)[seed % 2],
        sequencer=None if seed % 3 else 2,
    )


def run(seed: int, order: Order, crashes: bool = False) -> Played:
    """The run of a seed."""
    scenario = draw(seed, CRASHES if crashes else HARMLESS)
    return replay(scenario, settings_of(seed, order))


def campaign(seed: int) -> list[str]:
    """Every order, with and without crashes: what is wrong, a line each."""
    offences = []
    for order in Order:
        for crashes in (False, True):
            played = run(seed, order, crashes)
            offences += [
                f"seed {seed}, {order.value}{', crashes' * crashes}: {offence}"
                for offence in judge(played.observed, order)
            ]
    return offences


def check(seed: int) -> Counter[str]:
    """For campaigns: what was run, counted.

    Raises:
        AssertionError: a promise was broken.
    """
    offences = campaign(seed)
    assert not offences, "\n".join(offences)
    return Counter({"runs": 2 * len(Order)})
