"""Sessions of viewers, and what the page's server takes from them.  [I/O]

============================ ===========================================================
``GET /play``                what there is to play with
``POST /play``               ``{"stage": ..., "scene": ... or null}``: a session is begun
``GET /play/SESSION``        its stream
``POST /play/SESSION``       a wish: see :meth:`~vsync.playground.session.Session.take`
============================ ===========================================================

Sessions are few, each is small, and one that nobody looks at ends. A session is known by a name
that cannot be guessed. Its time is passed by its stream: what nobody looks at costs nothing.
"""

import asyncio
import importlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from clocksync.dashboard.guard import INPUT_BYTES_MAX
from clocksync.dashboard.server import BREATH_S, Board, event
from vsync.playground.session import Session
from vsync.playground.stage import Message, NotPossible
from vsync.playground.stages import STAGES, Maker

SESSIONS_MAX = 16
GONE_S = 60.0
"""A session ends when nobody has looked at it for so long."""
STILL_S = 1.0


class _Held:
    """A session, and who looks at it."""

    def __init__(self, session: Session, now_s: float) -> None:
        self.session = session
        self.streams = 0
        self.seen_s = now_s
        self.passed_s = now_s
        """Up to when its time has passed."""
        self.is_over = False


class Playground:
    """All sessions.

    Args:
        seed: of free play.
        now_s: a clock.
    """

    def __init__(
        self,
        board: Board,
        seed: int = 0,
        stages: Mapping[str, Maker] = STAGES,
        now_s: Any = time.monotonic,
    ) -> None:
        self._board, self._seed, self._stages, self._now_s = board, seed, stages, now_s
        self._held: dict[str, _Held] = {}
        board.plays = True

    @property
    def count(self) -> int:
        """How many sessions there are."""
        self._end_those_left()
        return len(self._held)

    def _end_those_left(self) -> None:
        now_s = self._now_s()
        for name, held in list(self._held.items()):
            if not held.streams and now_s - held.seen_s > GONE_S:
                self._end(name)

    def _end(self, name: str) -> None:
        self._held.pop(name).is_over = True

    def begin(self, wish: Any) -> str:
        """A session; its name.

        Raises:
            NotPossible: there is no such stage or scene, or there are too many sessions.
        """
        match wish:
            case {"stage": str(stage), "scene": None | str() as scene} if stage in self._stages:
                pass
            case _:
                raise NotPossible("there is no such stage")
        self._end_those_left()
        if len(self._held) >= SESSIONS_MAX:
            alone = [name for name, held in self._held.items() if not held.streams]
            if not alone:
                raise NotPossible(f"{SESSIONS_MAX} play already: close a page, and try again")
            self._end(min(alone, key=lambda name: self._held[name].seen_s))
        session = Session(self._stages[stage], self._seed, scene)
        name = secrets.token_urlsafe(18)
        self._held[name] = _Held(session, self._now_s())
        return name

    def take(self, name: str, wish: Any) -> None:
        """What a viewer asks for.

        Raises:
            KeyError: there is no such session.
            NotPossible: it cannot be done.
        """
        held = self._held[name]
        self._pass(held)
        held.session.take(wish)

    def _pass(self, held: _Held) -> None:
        now_s = self._now_s()
        elapsed_s, held.passed_s = now_s - held.passed_s, now_s
        held.seen_s = now_s
        held.session.pass_time(elapsed_s)

    def catalogue(self) -> list[dict[str, Any]]:
        """What there is to play with."""
        found = []
        for name, make in self._stages.items():
            stage = make(0, None)
            scenes = [
                {"name": one.name, "title": one.title, "text": one.steps[0].text}
                for one in stage.scenes
            ]
            told = {"name": name, "title": stage.title, "intro": stage.intro}
            found.append({**told, "scenes": scenes})
        return found

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """All that was told in a session, then what comes."""
        held = self._held[name]
        held.streams += 1
        held.passed_s = self._now_s()  # nothing passed while nobody looked
        edition, cursor, quiet_s = -1, 0, 0.0
        before: Message = {}
        try:
            while not (self._board.is_over or held.is_over):
                self._pass(held)
                session = held.session
                if edition != session.edition:
                    edition, cursor = session.edition, 0
                    yield event([session.hello()])
                    found = _all(session)
                    cursor = session.log.end
                    yield event([*found, {"kind": "ready"}, session.now()])
                found, cursor = session.log.since(cursor)
                now = session.now()
                is_other = {**now, "at_s": 0} != before
                if found or is_other or now["rate"] or quiet_s >= STILL_S:
                    yield event([*found, now])
                    before, quiet_s = {**now, "at_s": 0}, 0.0
                await asyncio.sleep(BREATH_S / 2)
                quiet_s += BREATH_S / 2
        finally:
            held.streams -= 1
            held.seen_s = self._now_s()
            if not held.streams:
                asyncio.get_running_loop().call_later(GONE_S + 1, self._end_those_left)

    # The server's side

    def routes(self) -> list[Any]:
        """For :class:`clocksync.dashboard.server.Server`."""
        responses = importlib.import_module("starlette.responses")
        routing = importlib.import_module("starlette.routing")
        answer = responses.JSONResponse

        async def offered(request: Any) -> Any:
            if request.method == "GET":
                return answer(self.catalogue())
            try:
                return answer({"session": self.begin(await _body(request))})
            except NotPossible as error:
                return answer({"error": str(error)})

        async def session(request: Any) -> Any:
            name = request.path_params["name"]
            if name not in self._held:
                return responses.PlainTextResponse("this game has ended\n", 404)
            if request.method == "GET":
                return responses.StreamingResponse(
                    self.stream(name), media_type="text/event-stream"
                )
            try:
                self.take(name, await _body(request))
            except NotPossible as error:
                return answer({"error": str(error)})
            return answer({})

        return [
            routing.Route("/play", offered, methods=["GET", "POST"]),
            routing.Route("/play/{name}", session, methods=["GET", "POST"]),
        ]


def _all(session: Session) -> list[Message]:
    found, cursor = session.log.since(0)
    while cursor < session.log.end:
        more, cursor = session.log.since(cursor)
        found += more
    return found


async def _body(request: Any) -> Any:
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > INPUT_BYTES_MAX:
            raise NotPossible(f"input has at most {INPUT_BYTES_MAX} bytes")
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError):
        raise NotPossible("input is JSON") from None
