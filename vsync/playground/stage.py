"""What a stage is: something to play with that tells what happens in messages of the live page.

A stage is pure: it is told how far its own time has come and what was clicked, and answers with
messages (`clocksync/schemas/dashboard-1.json`). One object serves one viewer. The same clicks at
the same times give the same messages.

Besides the messages of the live page a stage can tell a *space-time picture*, drawn by
``spacetime.js``; lanes are numbered from 1, `at_s` is the stage's time in seconds:

=========== ======================================================================================
``lane``    a process: ``lane``, ``name``; again, with ``state`` (up, down, waiting, inside), when
            that changes
``arrow``   a message: ``from``, ``to`` (lanes), ``at_s`` when sent, ``got_s`` when received or null
            (lost), ``label``, ``tone`` (which of a few colours; a word such as request or reply)
``mark``    something at a lane: ``lane``, ``label``, ``tone``
``span``    something that lasts: ``lane``, ``until_s`` or null while it lasts, ``label``, ``tone``;
            a span that ends is told again with the same ``id``
``reading`` a value with its bound that changes: ``lane``, ``name``, ``value``, ``bound`` or null,
            ``unit``, ``truth`` or null
``say``     what to read now: ``title``, ``text``, ``verdict`` (null, good or bad)
``can``     what can be done at a lane now: ``lane``, ``names`` of controls of the kind ``lane``;
            where it is never told all of them can
=========== ======================================================================================

A stage of a group tells besides what its members, links and datagrams do, for ``net.js``:

=========== ======================================================================================
``member``  how a member is: ``node``, ``state``, how many messages it has ``queued`` to send
``link``    one way between two members: ``from``, ``to``, ``is_cut``
``frame``   a datagram: ``id``, ``from``, ``to``, sent ``at_s``, ``got_s`` when it arrives, ``what``
            it is, of which ``ring``, with which ``messages``; ``lost``: why it never arrives, or ""
``lost``    a datagram that was told, ``id``, is lost on its way: ``why``
``why``     how it is with a ``message`` at a ``node``: ``state`` (coming, waits, got, never) and
            ``text``
=========== ======================================================================================
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Message = dict[str, Any]  # Any: JSON
Action = Mapping[str, Any]  # Any: JSON from a page, checked by the stage that takes it


class NotPossible(Exception):
    """What was clicked cannot be done now; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Control:
    """Something to click or to move.

    Attributes:
        name: the action's name: it arrives as ``{"do": name, ...}``.
        label: what stands on it.
        kind: ``button``; ``lane`` (a button at each lane; arrives with ``lane``); ``pair`` (from
            one lane to another; with ``from`` and ``to``); ``side`` (some lanes against the rest;
            with ``lanes``); ``slider`` (with ``value``); ``choice`` (one of `options`, with
            ``value``).
        hint: one sentence for who hovers over it.
        options: of a choice.
        low, high, step, value: of a slider; `value` of a choice is the index of its first option.
        lane: the lane that a slider belongs to; None: to all.
        unit: of a slider.
    """

    name: str
    label: str
    kind: str
    hint: str = ""
    options: Sequence[str] = ()
    low: float = 0.0
    high: float = 1.0
    step: float = 0.1
    value: float = 0.0
    lane: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a guided scene: what to read, and what is done when it begins.

    Attributes:
        title, text: what the reader is told; the text may hold ``<b>`` and nothing else.
        actions: done in this order when the step begins, as if they had been clicked.
        run_s: the step plays for so long of the stage's time, then waits; None: it plays on.
        anew: the stage is made again, with these options, when the step begins; None: it goes on.
    """

    title: str
    text: str
    actions: Sequence[Action] = ()
    run_s: float | None = None
    anew: Action | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A guided walk over a stage, from a fresh one.

    Attributes:
        name: in addresses (``#play/ring/self-delivery``).
        options: with which the stage is made for this scene.
    """

    name: str
    title: str
    steps: Sequence[Step]
    options: Action | None = None


class Stage(Protocol):
    """One thing to play with.

    Attributes:
        name: in addresses: a word in lower case.
        pace: seconds of the stage's time for a second of the viewer's, at the speed "1".
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def intro(self) -> str: ...
    @property
    def pace(self) -> float: ...
    @property
    def controls(self) -> Sequence[Control]: ...
    @property
    def scenes(self) -> Sequence[Scene]: ...

    def begin(self) -> list[Message]:
        """What there is at time 0."""

    def act(self, action: Action) -> list[Message]:
        """Do what was clicked, now.

        Raises:
            NotPossible: it cannot be done, or is no action of this stage.
        """

    def advance(self, to_s: float) -> list[Message]:
        """Let time pass until then, and tell what happened."""
