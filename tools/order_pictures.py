"""Draws what ordered multicast and mutual exclusion do with the same requests.  [I/O]

::

    python -m tools.order_pictures multicast docs/multicast.svg
    python -m tools.order_pictures mutex docs/mutex.svg

Both are runs of the algorithms' own cores in the simulator, by a fixed seed: the same picture every
time.
"""

import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from clocksync import drawing
from clocksync.runtime.simulation import Boot, Constant, Exponential, Link, World
from clocksync.runtime.units import MICROSECOND, MILLISECOND, NodeId
from ordering.multicast.member import Delivered
from ordering.mutex.algorithms import ALGORITHMS
from ordering.mutex.contract import Granted, MutexCore
from ordering.mutex.frames import MutexCodec
from ordering.testing import CheckedFrames, MemberSettings, Order, Simulated, What, judge

# Okabe and Ito's, which are told apart whatever eyes one has; each has a letter besides.
from tools.drawn import drawn

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
GREY, DARK = "#9a9a9a", "#333333"


# Multicast

SENDS = ((1, 0), (2, 500), (3, 900), (1, 1_400), (2, 1_900), (3, 2_600))
"""Who multicasts, and when, us."""
SEED = 9


class Watched(Simulated):
    """A group that notes when each member delivers what."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.deliveries: list[tuple[int, int, int]] = []
        super().__init__(*given, **named)

    def _hear(self, address: Hashable, event: object) -> None:
        if isinstance(event, Delivered):
            for batch in event.batches:
                for message in batch.messages:
                    number = int(message.split()[0])
                    self.deliveries.append((self.world.now, self.number(address), number))
        super()._hear(address, event)


def _multicast(order: Order) -> tuple[Watched, int]:
    """A run of three members, and when its first message was sent."""
    link = Link(delay=Exponential(100 * MICROSECOND, 900 * MICROSECOND))
    world = World(SEED, link=link, codec=CheckedFrames())
    group = Watched(world, range(1, 4), MemberSettings(order=order))
    world.run_for(MILLISECOND)
    world.run_until(lambda: all(group.core(each).has_begun for each in (1, 2, 3)), 10**10)
    began = world.now + MILLISECOND
    for member, after_us in SENDS:
        world.at(began + after_us * MICROSECOND, partial(group.multicast, member))
    world.run(began + 60 * MILLISECOND)
    group.observed.is_quiet = True
    assert judge(group.observed, order) == []
    return group, began


def multicast() -> Any:
    """The same messages in two orders: by sender only, and in one sequence for all."""
    figure = drawing.new_figure(figsize=(10, 6.2))
    rows = figure.subplots(2, 1, sharex=True)
    for axes, order, title in zip(
        rows,
        (Order.FIFO, Order.TOTAL),
        (
            "fifo: each sender's messages in its order; members differ",
            "total: the same sequence at every member; each waits until nothing can come before",
        ),
        strict=True,
    ):
        group, began = _multicast(order)
        _deliveries(axes, group, began)
        axes.set_title(title, fontsize=10, loc="left")
    rows[-1].set_xlabel("ms since the first message was sent")
    return figure


def _deliveries(axes: Any, group: Watched, began: int) -> None:
    sent = [(after_us / 1000, member) for member, after_us in SENDS]
    last = 0.0
    for at_ns, member, number in group.deliveries:
        at, (left, sender) = (at_ns - began) / 1e6, sent[number]
        last = max(last, at)
        axes.plot([left, at], [-sender, -member], color=COLOURS[number], lw=0.9, alpha=0.75)
        axes.plot([at], [-member], "s", ms=6, mfc="white", mec=COLOURS[number], mew=1.6, zorder=4)
    for number, (left, sender) in enumerate(sent):
        axes.plot([left], [-sender], "o", ms=13, color=COLOURS[number], zorder=5)
        letter = {"color": "white", "fontsize": 8, "weight": "bold", "zorder": 6}
        axes.text(left, -sender, "abcdef"[number], ha="center", va="center_baseline", **letter)
    for member in group.members:
        axes.axhline(-member, color=GREY, lw=0.8, zorder=0)
        logged = [
            int(m.split()[0]) for w, _, m in group.observed.logs[member] if w is What.DELIVERED
        ]
        for place, number in enumerate(logged):
            axes.text(
                1.015 + place * 0.026,
                -member,
                "abcdef"[number],
                transform=axes.get_yaxis_transform(),
                ha="left",
                va="center",
                fontsize=9,
                weight="bold",
                color="white",
                bbox={"facecolor": COLOURS[number], "edgecolor": "none", "pad": 2.5},
            )
    axes.text(1.01, 1.02, "delivered", transform=axes.transAxes, fontsize=8.5, color="#555555")
    axes.set_yticks([-1, -2, -3], ["member 1", "member 2", "member 3"])
    axes.set_ylim(-3.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)


# Mutual exclusion

ASKS = ((2, 1.0), (3, 1.4), (4, 1.8))
"""Who wants in, and when, message times."""
HOLD = 2.0
SHOWN = {
    "central": "a coordinator, member 1, grants",
    "ricart-agrawala": "all others permit, or defer that",
    "token-ring": "a token goes round",
    "suzuki-kasami": "a token goes to who asked for it",
}


@dataclass(slots=True)
class Entries:
    """What one algorithm made of the requests; times in message times."""

    messages: list[tuple[float, int, int]] = field(default_factory=list)
    asked: dict[int, float] = field(default_factory=dict)
    entered: dict[int, tuple[float, int]] = field(default_factory=dict)


def _exclude(algorithm: str) -> Entries:
    """Four members, of which three want in at nearly the same time."""
    entries = Entries()
    world = World(3, codec=MutexCodec(), link=Link(delay=Constant(MILLISECOND), in_order=True))
    members = [NodeId(number) for number in range(1, 5)]

    def boot(given: Boot) -> MutexCore:
        me = NodeId(int(str(given.address)))
        return ALGORITHMS[algorithm](me, members, generation=0, random=given.random)

    def hear(address: Hashable, event: object) -> None:
        if isinstance(event, Granted):
            member = int(str(address))
            entries.entered[member] = (world.now / 1e6 - 10, event.fencing_token)
            world.after(round(HOLD * 1e6), partial(world.call, address, _release, "release"))

    def look(sender: Hashable, to: Hashable, data: bytes) -> bool:
        if world.now >= 10_000_000:
            entries.messages.append((world.now / 1e6 - 10, int(str(sender)), int(str(to))))
        return False

    for each in members:
        world.add(each, boot, application=hear, rate_ppm=0.0)
    world.intercept(look)
    for member, when in ASKS:
        entries.asked[member] = when
        ask = partial(world.call, NodeId(member), _acquire, "acquire")
        world.at(10_000_000 + round(when * 1e6), ask)
    world.run(10_000_000 + 30 * MILLISECOND)
    assert len(entries.entered) == len(ASKS)
    return entries


def _acquire(core: Any, now: int) -> Any:
    return core.acquire(now)


def _release(core: Any, now: int) -> Any:
    return core.release(now)


def mutex() -> Any:
    """Who waits, who is inside with which token, and each message."""
    figure = drawing.new_figure(figsize=(10, 6.6))
    for axes, (algorithm, words) in zip(figure.subplots(2, 2).flat, SHOWN.items(), strict=True):
        entries = _exclude(algorithm)
        end = max(at for at, _ in entries.entered.values()) + HOLD
        shown = [message for message in entries.messages if message[0] < end + 1]
        for member in range(1, 5):
            axes.axhline(-member, color=GREY, lw=0.8, zorder=0)
        for left, sender, to in shown:
            axes.annotate(
                "",
                (left + 1, -to),
                (left, -sender),
                arrowprops={"arrowstyle": "-|>", "color": DARK, "lw": 0.7, "alpha": 0.7},
            )
        for member, asked in entries.asked.items():
            entered, token = entries.entered[member]
            colour = COLOURS[member - 2]
            axes.barh(-member, entered - asked, 0.16, asked, color=colour, alpha=0.35, zorder=2)
            axes.barh(-member, HOLD, 0.36, entered, color=colour, zorder=3)
            axes.text(
                entered + HOLD / 2,
                -member,
                f"token {token}",
                ha="center",
                va="center",
                fontsize=8,
                color="white",
                weight="bold",
                zorder=4,
            )
        axes.set_title(f"{algorithm}: {words}\n{len(shown)} messages", fontsize=9.5, loc="left")
        axes.set_yticks([-1, -2, -3, -4], ["1", "2", "3", "4"])
        axes.set_ylim(-4.5, -0.5)
        axes.set_xlim(0, end + 1.2)
        axes.set_xlabel("message times")
        axes.set_ylabel("member")
        axes.tick_params(left=False)
        axes.spines["left"].set_visible(False)
    return figure


PICTURES: dict[str, Callable[[], Any]] = {"multicast": multicast, "mutex": mutex}


def main(arguments: Sequence[str] | None = None) -> int:
    return drawn("order_pictures", PICTURES, arguments, h_pad=2.0, w_pad=2.5)


if __name__ == "__main__":
    sys.exit(main())
