"""Mutual exclusion on a token ring: one token goes round, and who has it may enter.

The cores are :class:`ordering.mutex.TokenRingMutex`. Who does not want in keeps the token for a
moment before it passes it on, so that one can see where it is.

Le Lann, "Distributed systems: towards a formal approach", 1977.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from clocksync.runtime.units import SECOND
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import MutexCore
from ordering.mutex.frames import RingToken
from ordering.mutex.token_ring import TokenRingMutex
from vsync.playground.algorithms.exclusion import (
    CONTROLS,
    EPOCHS,
    TEXTBOOK,
    Exclusion,
    inner_frame,
)
from vsync.playground.algorithms.ground import Look, many, moved
from vsync.playground.stage import Action, Control, Scene, Stage, Step

REST_S = 0.2

SCENES = (
    Scene(
        "round-it-goes",
        "One token, one inside",
        (
            Step(
                "Nobody wants in",
                "The token goes from P1 to P2 to P3 and on to P1. It goes round <b>whether anybody"
                " wants in or not</b>: messages for nothing.",
                (),
                4.0,
            ),
            Step(
                "Two want in",
                "P1 and P3 ask. They send nothing at all: they wait until the token comes by. Who"
                " asked first does not matter, only <b>whose turn it is on the ring</b>.",
                [{"do": "ask", "lane": 1}, {"do": "ask", "lane": 3}],
                8.0,
            ),
        ),
        {"processes": "3", "group": TEXTBOOK},
    ),
    Scene(
        "all-want-in",
        "One message an entry",
        (
            Step(
                "Everybody wants in",
                "Each hop of the token lets one in: <b>1 message an entry</b>, the best that any"
                " algorithm here can do. When nobody wants in, it is any number of messages.",
                [{"do": "ask", "lane": lane} for lane in (1, 2, 3, 4)],
                13.0,
            ),
        ),
        {"processes": "4", "group": TEXTBOOK, "hold": 1.5},
    ),
    Scene(
        "token-lost",
        "The holder dies, and the token with it",
        (
            Step(
                "P2 is inside",
                "P2 asked, the token came by, and P2 is inside.",
                [{"do": "ask", "lane": 2}],
                1.8,
            ),
            Step(
                "P2 is killed, and the token with it",
                "P1 waits for a token that nobody has, and <b>cannot tell</b> whether it is lost or"
                " only slow.",
                [{"do": "ask", "lane": 1}, {"do": "kill", "lane": 2}],
                4.0,
            ),
            Step(
                "The same in this toolkit's group",
                "The same ring, inside an <b>epoch</b>: members give each other leases, with"
                " heartbeats that are not drawn. P2 is inside again.",
                [{"do": "group", "value": EPOCHS}, {"do": "ask", "lane": 2}],
                2.5,
            ),
            Step(
                "A new epoch, a new token",
                "P2 dies. When its leases have run out, the others agree on an epoch without it,"
                " and its <b>first member makes a new token</b>. The old one belongs to an epoch"
                " that is over.",
                [{"do": "ask", "lane": 1}, {"do": "kill", "lane": 2}],
                9.0,
            ),
        ),
        {"processes": "3", "group": TEXTBOOK, "hold": 4},
    ),
)


class TokenRing(Exclusion):
    """See the module."""

    name = "token-ring"
    title = "A token ring"
    intro = (
        "The processes form a ring, and one token goes round. Who gets it and wants in enters, and"
        " passes it on when it leaves; who does not passes it on at once (here after a moment, so"
        " that one can see it). Only one can have it, so only one can be inside, and everybody has"
        " its turn. The price: messages when nobody wants in, and if the token is lost nobody can"
        " tell."
    )
    view_s = 10.0
    scenes: Sequence[Scene] = SCENES
    controls: Sequence[Control] = (
        *CONTROLS,
        Control(
            "rest", "the token rests for", "slider", "at who does not want in",
            low=0, high=2, step=0.1, value=REST_S, unit="s",
        ),
    )  # fmt: skip

    def build(self) -> None:
        self.rest_s = float(self.options.get("rest", REST_S))
        self._here: dict[int, str] = {}
        self._hops = self._hops_at_entry = 0
        self._is_lost = False
        self._said_idle = False
        super().build()

    def algorithm(
        self, me: int, members: Sequence[int], *, generation: int, random: Random
    ) -> MutexCore:
        rest_ns = round(self.rest_s * SECOND)
        return TokenRingMutex(me, members, generation=generation, rest_ns=rest_ns)

    def drawn(self, sender: int, to: int, frame: Frame) -> Look:
        if not isinstance(frame, RingToken):
            return None
        self._hops += 1
        return "token", "token"

    def arrives(self, sender: int, to: int, frame: Frame, is_there: bool) -> None:
        if isinstance(inner_frame(frame), RingToken) and not is_there:
            self._lose(f"P{sender} passed it on to P{to}, which is dead.")

    def watch(self) -> None:
        at_s = self.ground.now_s
        for lane in self.alive:
            core: Any = self.core(lane)
            has_it = core is not None and core.here is not None
            if has_it and lane not in self._here:
                self._here[lane] = self.tale.span(at_s, lane, "", "token")
                self._is_lost = False
            elif not has_it and lane in self._here:
                self.tale.end(at_s, self._here.pop(lane))
        idle = self._hops - self._hops_at_entry
        if idle > 2 * self.count and not self.waiting and not self._said_idle:
            self._said_idle = True
            text = f"{idle} messages since anybody was inside. On an idle ring an entry costs any"
            text += " number of messages."
            self.say("Round and round, for nobody", text)

    def _lose(self, why: str) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self.has_epochs:
            text = f"{why} When the leases of the dead have run out, a majority begins a new epoch"
            text += " with a new token."
        else:
            text = f"{why} Everybody waits. A new one could be made, but who knows whether the old"
            text += " one is lost or only slow? Two tokens would let two in."
        self.say("The token is lost", text, None if self.has_epochs else "bad")

    def on_asked(self, lane: int) -> None:
        if lane not in self.inside:
            self.say(f"P{lane} wants in", "It sends nothing. It waits until the token comes by.")

    def on_entered(self, lane: int) -> None:
        hops = self._hops - self._hops_at_entry
        self._hops_at_entry, self._said_idle = self._hops, False
        cost = f"It took {many(hops, 'message')} since the last entry"
        why = {
            0: "The token was here already: no message at all.",
            1: f"{cost}: that is as cheap as it gets.",
        }.get(hops, f"{cost}: it went by who did not want in.")
        text = f"There is one token, so nobody else can be inside. {why}"
        self.say(f"P{lane} has the token, and enters", text, "good")

    def on_epoch(self, lane: int) -> None:
        self._is_lost = False

    def on_killed(self, lane: int) -> None:
        if lane in self._here:
            self.tale.end(self.ground.now_s, self._here.pop(lane))
            self._lose(f"P{lane} had it, and is dead.")
        else:
            text = "The ring is broken there: the token will be lost when it comes to it."
            self.say(f"P{lane} is dead", text)

    def do_rest(self, action: Action) -> None:
        self.rest_s = self.options["rest"] = moved(action, self.control("rest"))
        for lane in self.alive:
            core: Any = self.core(lane)
            if core is not None:
                core.rest_ns = round(self.rest_s * SECOND)


def make(seed: int | str, options: Action | None = None) -> Stage:
    """The stage; `options` are values of its choices and sliders, by name."""
    return TokenRing(seed, options)
