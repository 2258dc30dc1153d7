"""Ordered multicast: five orders, one interface. See ``docs/multicast.md``."""

from importlib import import_module

TYPE_CHECKING = False  # what typing's is, without the price of loading typing

if TYPE_CHECKING:
    from ordering.multicast.acknowledgement import Rule as Rule
    from ordering.multicast.batch import Batch as Batch
    from ordering.multicast.group import Closed as Closed
    from ordering.multicast.group import Delivery as Delivery
    from ordering.multicast.group import Group as Group
    from ordering.multicast.group import NotReached as NotReached
    from ordering.multicast.group import join as join
    from ordering.multicast.member import Delivered as Delivered
    from ordering.multicast.member import Left as Left
    from ordering.multicast.member import Member as Member
    from ordering.multicast.member import MemberSettings as MemberSettings
    from ordering.multicast.member import Noted as Noted
    from ordering.multicast.member import Previewed as Previewed
    from ordering.multicast.member import Waiting as Waiting
    from ordering.multicast.order import Order as Order

_HOMES = {
    "Batch": "ordering.multicast.batch",
    "Closed": "ordering.multicast.group",
    "Delivered": "ordering.multicast.member",
    "Delivery": "ordering.multicast.group",
    "Group": "ordering.multicast.group",
    "Left": "ordering.multicast.member",
    "Member": "ordering.multicast.member",
    "MemberSettings": "ordering.multicast.member",
    "NotReached": "ordering.multicast.group",
    "Noted": "ordering.multicast.member",
    "Order": "ordering.multicast.order",
    "Previewed": "ordering.multicast.member",
    "Rule": "ordering.multicast.acknowledgement",
    "Waiting": "ordering.multicast.member",
    "join": "ordering.multicast.group",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  a list, made from the one table of names


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ordering.multicast' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
