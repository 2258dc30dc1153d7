"""Ricart and Agrawala's mutual exclusion: ask everybody, enter when all have said OK.

The cores are :class:`ordering.mutex.RicartAgrawalaMutex`. A request carries ``time.process``, as in
the lecture: 1.2 is Lamport time 1 at P2, and 1.1 comes before it.

Ricart and Agrawala, CACM 24(1), 1981.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from clocksync.runtime.wire import Frame
from ordering.mutex.contract import MutexCore, State
from ordering.mutex.frames import Permission, Request
from ordering.mutex.ricart_agrawala import RicartAgrawalaMutex
from vsync.playground.algorithms.exclusion import EPOCHS, TEXTBOOK, Exclusion, inner_frame
from vsync.playground.algorithms.ground import Look, many
from vsync.playground.stage import Action, Scene, Stage, Step

SCENES = (
    Scene(
        "two-at-once",
        "Two ask at the same time",
        (
            Step(
                "Two requests cross",
                "P1 and P3 both want in. Each writes its <b>Lamport time and its number</b> on the"
                " request: 1.1 and 1.3. The requests pass each other on their way.",
                [{"do": "ask", "lane": 3}, {"do": "ask", "lane": 1}],
                1.0,
            ),
            Step(
                "The lower timestamp wins",
                "P2 wants nothing and says <b>OK</b> to both. P3 sees 1.1, lower than its own 1.3,"
                " and says OK. P1 sees 1.3 and <b>keeps its OK</b>.",
                (),
                1.2,
            ),
            Step(
                "One is inside, one waits",
                "P1 has both OKs and is inside. P3 lacks one, and that one says nothing: no reply"
                " is the answer.",
                (),
                0.5,
            ),
            Step(
                "What was kept is paid",
                "P1 leaves and sends the OK it owed. P3 enters. Each entry took 2(n−1) = <b>4"
                " messages</b>, and nobody was in charge.",
                (),
                4.2,
            ),
        ),
        {"processes": "3", "group": TEXTBOOK},
    ),
    Scene(
        "one-dies",
        "One process dies, and all wait",
        (
            Step(
                "P3 is killed",
                "It wants nothing, it holds nothing. It only has to say OK.",
                [{"do": "kill", "lane": 3}],
                1.0,
            ),
            Step(
                "P1 asks",
                "P2's OK comes. P3's never will. To P1 that looks as if P3 <b>kept</b> its OK"
                " because it is inside.",
                [{"do": "ask", "lane": 1}],
                3.5,
            ),
            Step(
                "So does everybody who asks",
                "One point of failure has become n of them: that is the weakness of the textbook's"
                " algorithm.",
                [{"do": "ask", "lane": 2}],
                4.0,
            ),
        ),
        {"processes": "3", "group": TEXTBOOK},
    ),
    Scene(
        "a-group-goes-on",
        "The same, in this toolkit's group",
        (
            Step(
                "P3 is killed again",
                "The same algorithm, inside an <b>epoch</b>: members give each other leases with"
                " heartbeats, which are not drawn. P1 asks.",
                [{"do": "kill", "lane": 3}, {"do": "ask", "lane": 1}],
                3.0,
            ),
            Step(
                "Silence for as long as a lease",
                "A slow process cannot be told from a dead one. So nobody guesses: a process that"
                " hears from no majority for one lease <b>leaves by its own clock</b>, and the"
                " others wait for that.",
                (),
                3.0,
            ),
            Step(
                "A majority begins the next epoch",
                "P1 and P2 are two of three. They agree on an epoch without P3, P1's request is"
                " made again in it, and P1 enters. <b>A minority would wait.</b>",
                (),
                7.0,
            ),
        ),
        {"processes": "3", "group": EPOCHS},
    ),
)


class RicartAgrawala(Exclusion):
    """See the module."""

    name = "ricart-agrawala"
    title = "Ricart and Agrawala"
    intro = (
        "Nobody is in charge. Who wants in asks all others, with its Lamport time on the request,"
        " and enters when all have said OK. Who is inside keeps its OK until it leaves; who also"
        " wants in keeps it if its own request has the lower timestamp. That costs 2(n−1) messages"
        " an entry. A process that dies says OK to nobody: then all wait, or the group begins a new"
        " epoch without it."
    )
    view_s = 9.0
    scenes: Sequence[Scene] = SCENES

    def build(self) -> None:
        self._requests: dict[int, tuple[int, int, int]] = {}  # by lane: its time, requests, OKs
        self._deferred: dict[int, set[tuple[int, int]]] = {}
        self._hopeless: set[int] = set()
        super().build()

    def algorithm(
        self, me: int, members: Sequence[int], *, generation: int, random: Random
    ) -> MutexCore:
        return RicartAgrawalaMutex(me, members, generation=generation)

    def drawn(self, sender: int, to: int, frame: Frame) -> Look:
        match frame:
            case Request(number=number):
                time, asked, oks = self._requests.get(sender, (0, 0, 0))
                if time != number:
                    asked, oks = 0, 0
                self._requests[sender] = number, asked + 1, oks
                return f"ask {number}.{sender}", "request"
            case Permission(number=number):
                time, asked, oks = self._requests.get(to, (0, 0, 0))
                if time == number:
                    self._requests[to] = time, asked, oks + 1
                return "OK", "reply"
        return None

    def arrives(self, sender: int, to: int, frame: Frame, is_there: bool) -> None:
        if not is_there and isinstance(inner_frame(frame), Request) and not self.has_epochs:
            self._look_for_hope(sender)

    def watch(self) -> None:
        for lane in self.alive:
            core: Any = self.core(lane)
            if core is None:
                continue
            owed = set(core.deferred)
            for asker, number in sorted(owed - self._deferred.get(lane, set())):
                self._say_deferred(lane, asker, number)
            self._deferred[lane] = owed
            if not self.has_epochs:
                self._look_for_hope(lane)

    def _say_deferred(self, lane: int, asker: int, number: int) -> None:
        self.tale.mark(self.ground.now_s, lane, f"keeps its OK for P{asker}", "deferred")
        if lane in self.inside:
            why = f"P{lane} is inside. It answers when it leaves; until then P{asker} waits."
        else:
            own = self._requests.get(lane, (0, 0, 0))[0]
            why = f"P{lane} wants in too, and asked first: {own}.{lane} is lower than"
            why += f" {number}.{asker}. The lower timestamp wins, and all see the same two."
        self.say(f"P{lane} keeps its OK", why)

    def _look_for_hope(self, lane: int) -> None:
        core: Any = self.core(lane)
        if core is None or lane in self.dead or lane in self._hopeless or not self.dead:
            return
        if core.state is State.WANTED and core.awaiting and core.awaiting <= self.dead:
            self._hopeless.add(lane)
            whom = self.names(sorted(core.awaiting))
            text = f"All others have said OK. {whom} is dead and never will, and P{lane} cannot"
            text += " tell: a process that is inside is just as silent."
            self.tale.mark(self.ground.now_s, lane, f"waits for {whom}", "wrong")
            self.say(f"P{lane} waits for ever", text, "bad")

    def on_epoch(self, lane: int) -> None:
        self._requests.pop(lane, None)
        self._deferred.pop(lane, None)

    def on_asked(self, lane: int) -> None:
        core: Any = self.core(lane)
        if core is None or core.state is not State.WANTED:
            return  # its epoch is not ready yet: it asks as soon as that is
        number = self._requests.get(lane, (0, 0, 0))[0]
        self.say(
            f"P{lane} asks everybody",
            f"Its Lamport time is {number}, so its request is {number}.{lane}. It goes to the"
            f" {len(core.others)} others, and P{lane} enters when all have said OK.",
        )

    def on_entered(self, lane: int) -> None:
        number, requests, oks = self._requests.get(lane, (0, 0, 0))
        others = len(self.core(lane).others)
        self.say(
            f"P{lane} is inside: {requests + oks} messages",
            f"{many(requests, 'request')} and {many(oks, 'OK')}: 2(n−1) = {2 * others}"
            f" for this entry. All others have agreed that {number}.{lane} comes next,"
            " so nobody else can be inside.",
            "good",
        )

    def on_left(self, lane: int) -> None:
        owed = [asker for asker, _ in sorted(self._deferred.get(lane, set()))]
        if not owed:
            return
        text = f"It owed an OK to {self.names(owed)}, and sends it now."
        self.say(f"P{lane} leaves, and pays what it owes", text)

    def on_killed(self, lane: int) -> None:
        if self.has_epochs:
            text = "Nobody knows yet. Its leases run out; then a majority can go on without it."
        else:
            text = "Nobody knows. Who asks from now on waits for an OK that does not come."
        self.say(f"P{lane} is dead", text)


def make(seed: int | str, options: Action | None = None) -> Stage:
    """The stage; `options` are values of its choices, by name."""
    return RicartAgrawala(seed, options)
