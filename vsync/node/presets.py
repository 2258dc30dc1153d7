"""Settings for three kinds of network. The reasons, with numbers, are in ``docs/operations.md``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clocksync.runtime.units import MILLISECOND, SECOND


@dataclass(frozen=True, slots=True)
class Preset:
    """A token timeout (ns), an MTU (bytes), and what differs from ``RingConfig.within``."""

    token_timeout: int
    mtu: int
    ring: Mapping[str, Any] = field(default_factory=dict)
    is_of_its_mtu: bool = False
    """Whether the differences hold for this MTU only."""

    def differences(self, mtu: int) -> Mapping[str, Any]:
        """What differs with this MTU."""
        return {} if self.is_of_its_mtu and mtu != self.mtu else self.ring


PRESETS: Mapping[str, Preset] = {
    "loopback": Preset(
        200 * MILLISECOND,
        65_000,
        # Datagrams of 64 kB, the most that a frame takes: those of one rotation must fit the buffer
        # that a process without privileges gets (Linux: 208 kB, counted double), at about 68 kB
        # each.
        {"window": 5, "visit_max": 4, "gap_max": 100, "accelerated": 0},
        is_of_its_mtu=True,
    ),
    "lan": Preset(1 * SECOND, 1500),
    "wan": Preset(
        5 * SECOND,
        1400,
        {
            "token_retransmit_ns": 500 * MILLISECOND,
            "join_ns": 250 * MILLISECOND,
            "join_spread_ns": 50 * MILLISECOND,
            "settle_ns": 500 * MILLISECOND,
            "merge_ns": 2 * SECOND,
            "leave_ns": 5 * SECOND,
            "window": 120,
            "visit_max": 40,
            "gap_max": 600,
            "frame_datagrams": 8,
        },
    ),
}
