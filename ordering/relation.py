"""How two events stand to each other in a partial order."""

from enum import Enum


class Order(Enum):
    """What ``a.compare(b)`` says of a: it lies before, after, equal to or concurrent with b."""

    BEFORE = "before"
    AFTER = "after"
    EQUAL = "equal"
    CONCURRENT = "concurrent"

    @classmethod
    def of(cls, at_most: bool, at_least: bool) -> "Order":
        """The order that follows from ``a <= b`` and ``a >= b``."""
        if at_most:
            return cls.EQUAL if at_least else cls.BEFORE
        return cls.AFTER if at_least else cls.CONCURRENT

    @property
    def mirrored(self) -> "Order":
        """The same relation seen from the other event.

        >>> Order.BEFORE.mirrored
        <Order.AFTER: 'after'>
        """
        return _MIRROR.get(self, self)

    def __str__(self) -> str:
        return self.value


_MIRROR = {Order.BEFORE: Order.AFTER, Order.AFTER: Order.BEFORE}
