"""The keys of a group: one that is used, and during a rotation another that is accepted.

Everybody in the group has the same keys, and whoever has one can do everything; see
``docs/security.md``.
"""

import hmac
from dataclasses import dataclass, field, replace
from enum import Enum

from clocksync.runtime.errors import BadConfig

SECRET_BYTES = 32
KEYS_MAX = 2
IDS = 256
"""A key's number is one byte on the wire."""


@dataclass(frozen=True, slots=True)
class GroupKey:
    """A secret and its number. The secret is in no repr, so that it gets into no log.

    Raises:
        BadConfig: the number or the length of the secret is impossible.
    """

    id: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.id < IDS:
            raise BadConfig(f"key number {self.id} is not in 0 to {IDS - 1}")
        if len(self.secret) != SECRET_BYTES:
            raise BadConfig(f"key {self.id} has {len(self.secret)} bytes instead of {SECRET_BYTES}")

    @property
    def check_value(self) -> str:
        """By which people compare keys without seeing them."""
        return hmac.digest(self.secret, b"vsync key check value", "sha256")[:4].hex()


class Step(Enum):
    """What one step of a rotation does."""

    ADD = 1
    SWITCH = 2
    DROP = 3


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One key or two, the older one first; `used` is the number of the one that seals.

    >>> ring = KeyRing((GroupKey(1, bytes(32)),), used=1)
    >>> for fresh in (b"1" * 32, b"2" * 32, b"3" * 32):
    ...     step, ring = ring.rotated(fresh)
    ...     print(step.name, [key.id for key in ring.keys], ring.used)
    ADD [1, 2] 1
    SWITCH [1, 2] 2
    DROP [2] 2

    Raises:
        BadConfig: too many keys or none, two of one number, or the used one is not among them.
    """

    keys: tuple[GroupKey, ...]
    used: int

    def __post_init__(self) -> None:
        ids = [key.id for key in self.keys]
        if not 1 <= len(ids) <= KEYS_MAX:
            raise BadConfig(f"a group has one key or two, not {len(ids)}")
        if len(set(ids)) < len(ids):
            raise BadConfig(f"two keys have the number {ids[0]}")
        if self.used not in ids:
            raise BadConfig(f"key {self.used} is used, but there is no such key")

    @property
    def sealing(self) -> GroupKey:
        """The key that is used."""
        return next(key for key in self.keys if key.id == self.used)

    def rotated(self, fresh: bytes) -> tuple[Step, "KeyRing"]:
        """The next step from the older key to a new one, whose secret is `fresh` if one is made.

        Members may be one step apart and still understand each other: what one of them uses, the
        others have accepted since the step before.
        """
        newest = self.keys[-1]
        if len(self.keys) == 1:
            new = GroupKey((newest.id + 1) % IDS, fresh)
            return Step.ADD, replace(self, keys=(newest, new))
        if self.used != newest.id:
            return Step.SWITCH, replace(self, used=newest.id)
        return Step.DROP, replace(self, keys=(newest,))
