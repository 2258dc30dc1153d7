"""One viewer's stage: its time, where a guided scene is, and what was told of it. Pure.

The stage's time passes as the viewer's does, times the stage's pace and the chosen speed. It stands
while the viewer has it stand, and at the end of a scene's step. A scene is the same whatever one
clicks and when: going back plays it anew up to there, and who is in a hurry gets the rest of a step
at once.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from clocksync.dashboard.log import SCHEMA, Log
from vsync.playground.stage import Action, Message, NotPossible, Scene, Stage

KEEP = 12_000
"""Messages that one viewer can step back over."""
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
AWAY_MAX_S = 0.5
"""So much of the viewer's time can pass at once: who was away longer has not missed the rest."""
PLAYS_ON_S = 2.0
"""Of a step without an end, so many seconds of the viewer's are played when it is played anew."""


class Session:
    """See the module's text.

    Args:
        make: makes the stage, from a seed and options.
        scene: the name of a guided scene; None: to play freely.

    Raises:
        NotPossible: there is no such scene.
    """

    def __init__(
        self, make: Callable[[int | str, Action | None], Stage], seed: int, scene: str | None
    ) -> None:
        self._make, self._seed = make, seed
        self.edition = 0
        """Grows when all begins anew: what was told before is of no use then."""
        self.speed, self.runs = 1.0, True
        self.at_s = 0.0
        self._worlds = 0
        self._scene: Scene | None = None
        self._step = 0
        self._stops_s: float | None = None
        self._begin(None)
        if scene is not None:
            named = [one for one in self.stage.scenes if one.name == scene]
            if not named:
                raise NotPossible(f"there is no scene {scene!r} here")
            self._scene = named[0]
            self.step(0)

    def _begin(self, options: Action | None) -> None:
        """A fresh stage."""
        seed = f"scene {self._scene.name}" if self._scene else f"{self._seed}/{self._worlds}"
        self.stage = self._make(seed, options)
        self.log = Log(keep=KEEP)
        self.at_s, self._stops_s = 0.0, None
        self.edition += 1
        self.log.add(self._about())
        self.log.extend(self.stage.begin())

    def hello(self) -> Message:
        """The first message of a stream."""
        return {
            "kind": "hello",
            "schema": SCHEMA,
            "title": self._scene.title if self._scene else self.stage.title,
            "live": True,
            "notes": [],
            "forgotten": self.log.forgotten,
            "plays": True,
        }

    def _about(self) -> Message:
        stage, scene = self.stage, self._scene
        return {
            "kind": "stage",
            "at_s": 0.0,
            "name": stage.name,
            "title": stage.title,
            "intro": stage.intro,
            "pace": stage.pace,
            "controls": [asdict(one) | {"options": list(one.options)} for one in stage.controls],
            "scene": scene and {"name": scene.name, "title": scene.title, "steps": _texts(scene)},
        }

    # Time

    def now(self) -> Message:
        """What time it is, and how fast it passes."""
        rate = self.stage.pace * self.speed if self.runs and not self._is_waiting else 0.0
        told = {"kind": "now", "at_s": self.at_s, "rate": rate}
        return {**told, "speed": self.speed, "runs": self.runs}

    @property
    def _is_waiting(self) -> bool:
        return self._stops_s is not None and self.at_s >= self._stops_s

    def pass_time(self, elapsed_s: float) -> None:
        """So much of the viewer's time has passed."""
        if self.runs and not self._is_waiting:
            self._advance(self.at_s + min(elapsed_s, AWAY_MAX_S) * self.stage.pace * self.speed)

    def _advance(self, to_s: float) -> None:
        if self._stops_s is not None:
            to_s = min(to_s, self._stops_s)
        if to_s > self.at_s:
            self.at_s = to_s
            self.log.extend(self.stage.advance(to_s))
            if self._is_waiting:
                self._guide()

    # What is asked for

    def take(self, wish: Any) -> None:
        """Do what the page asks for: one of ``act``, ``time``, ``step``, ``anew``.

        Raises:
            NotPossible: it cannot be done; its text is for who clicked.
        """
        match wish:
            case {"act": dict(action)}:
                if self._scene is not None:
                    raise NotPossible("a scene is playing: choose “Play on from here” first")
                self.log.extend(self.stage.act(action))
            case {"time": {"runs": bool(runs)}}:
                self.runs = runs
            case {"time": {"speed": int() | float() as speed}} if speed in SPEEDS:
                self.speed = float(speed)
            case {"step": int(to)} if self._scene is not None and type(to) is int:
                self.step(to)
            case {"step": None}:
                self._scene, self._stops_s, self.runs = None, None, True
                self.log.add(self._about() | {"at_s": self.at_s})
            case {"anew": True}:
                if self._scene is not None:
                    self.step(0)
                else:
                    self._worlds += 1
                    self._begin(None)
            case _:
                raise NotPossible("there is no such thing to ask for")

    # Scenes

    def step(self, to: int) -> None:
        """Go to a step of the scene: on to the next one, or anywhere by playing it anew."""
        assert self._scene is not None, "only a scene has steps"
        steps = self._scene.steps
        if not 0 <= to < len(steps):
            raise NotPossible(f"the scene has steps 1 to {len(steps)}")
        self.runs = True
        if self.edition > 1 and to == self._step + 1:
            self._finish()
            self._enter(to)
            return
        first = max(n for n in range(to + 1) if n == 0 or steps[n].anew is not None)
        if steps[first].anew is None:
            self._begin(self._scene.options)
        for n in range(first, to):
            self._enter(n)
            self._finish()
        self._enter(to)

    def _enter(self, number: int) -> None:
        assert self._scene is not None, "only a scene has steps"
        step = self._scene.steps[number]
        self._step = number
        if step.anew is not None:
            self._begin(step.anew)
        self._stops_s = None if step.run_s is None else self.at_s + step.run_s
        self._guide()
        for action in step.actions:
            self.log.extend(self.stage.act(action))

    def _finish(self) -> None:
        """Play the rest of the step at once."""
        end_s = self._stops_s
        if end_s is None:
            begun = max(self.at_s, PLAYS_ON_S * self.stage.pace)
            self._advance(begun)
        else:
            self._advance(end_s)

    def _guide(self) -> None:
        told = {"kind": "guide", "at_s": self.at_s, "step": self._step}
        self.log.add({**told, "is_over": self._is_waiting})


def _texts(scene: Scene) -> list[dict[str, str]]:
    return [{"title": step.title, "text": step.text} for step in scene.steps]
