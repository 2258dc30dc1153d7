"""The fencing token's other half: a resource that refuses what comes too late.

A lock service cannot keep a paused process from acting when it wakes up; the resource can. It
remembers the highest token it has seen and refuses lower ones. That needs no clock, and no lock of
its own, but the check and the effect must be one step at the resource (one transaction, one
conditional write).

Kleppmann, "How to do distributed locking", 2016; the tokens are Chubby's sequencers (Burrows, OSDI
2006, section 2.4).
"""

from clocksync.runtime.errors import ToolkitError


class StaleToken(ToolkitError):
    """An access came with a token lower than one that was seen: its holder is not the last one."""

    def __init__(self, token: int, highest: int) -> None:
        super().__init__(f"token {token} is refused: {highest} was seen, so another holder entered")
        self.token = token
        self.highest = highest


class FencedResource:
    """The check a resource makes on every access.

    >>> resource = FencedResource()
    >>> resource.check(7); resource.check(7); resource.check(8)
    >>> resource.check(7)
    Traceback (most recent call last):
    ordering.mutex.fencing.StaleToken: token 7 is refused: 8 was seen, so another holder entered

    Args:
        highest: the highest token seen before, where the resource keeps it over restarts.
    """

    __slots__ = ("highest", "refused")

    def __init__(self, highest: int = 0) -> None:
        self.highest = highest
        self.refused = 0
        """How many accesses were refused."""

    def check(self, token: int) -> None:
        """Let an access with this token pass.

        Raises:
            StaleToken: a higher one was seen.
        """
        if token < self.highest:
            self.refused += 1
            raise StaleToken(token, self.highest)
        self.highest = token
