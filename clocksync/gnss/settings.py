"""What a receiver assumes."""

from dataclasses import dataclass
from typing import Final

from clocksync.runtime.errors import BadConfig

IONOSPHERES: Final = ("auto", "model", "pair", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """What the receiver assumes.

    Raises:
        BadConfig: a value is out of its range.
    """

    mask_deg: float = 10.0
    """Satellites lower than this are not used: the air's delay is uncertain there. (0 to 60)"""
    systems: frozenset[str] = frozenset("GE")
    """Letters of the systems to use."""
    ionosphere: str = "auto"
    """``model``: one frequency and the broadcast model. ``pair``: two frequencies, else not used.
    ``none``: one, uncorrected. ``auto``: the model if the navigation file has it, else two where a
    satellite has them. Mixing one and two costs more than either, because the receiver's own delay
    between frequencies looks like distance."""
    code_sigma_m: float = 0.6
    """Noise and multipath of a code at the zenith with 45 dBHz."""
    difference_sigma_m: float = 60.0
    """Galileo's time against GPS's as a receiver sees it: 200 ns, mostly its own hardware."""

    def __post_init__(self) -> None:
        if not 0 <= self.mask_deg <= 60:
            raise BadConfig(f"the elevation mask must be 0 to 60 degrees, not {self.mask_deg:g}")
        if self.ionosphere not in IONOSPHERES:
            names = ", ".join(IONOSPHERES)
            raise BadConfig(f"the ionosphere is one of {names}, not {self.ionosphere!r}")
        if not self.systems or not self.systems <= {"G", "E"}:
            raise BadConfig("systems are G (GPS) and E (Galileo)")
