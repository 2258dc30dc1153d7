"""Serves the page and its stream by HTTP, to whoever may look.  [I/O]

Needs the extra ``dashboard``. Three kinds of answers: the page's own files, ``/stream`` (events
that the server sends, each a JSON array of messages), and refusals. A stream reads a
:class:`~.log.Log` at its own pace; nothing is queued for it. The playground adds routes of its own
(:mod:`vsync.playground.serving`); nothing else takes input.
"""

import asyncio
import importlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from clocksync.dashboard import PORT
from clocksync.dashboard.guard import HEADERS, is_ours, is_private, refusal_of_input
from clocksync.dashboard.log import SCHEMA, Log, Message
from clocksync.runtime.addresses import format_endpoint, is_numeric
from clocksync.runtime.errors import BadConfig, MissingExtra

PAGE = Path(__file__).parent / "page"
STREAMS_MAX = 32
BREATH_S = 0.1
"""Between two pieces of a stream: what comes in between goes out together."""
STILL_S = 1.0
"""A stream that has nothing to tell says the time so often."""
GRACE_S = 2


def libraries() -> tuple[Any, Any]:
    """Starlette's applications and uvicorn.

    Raises:
        MissingExtra: they are not installed.
    """
    try:
        importlib.import_module("starlette.applications")
        return importlib.import_module("starlette"), importlib.import_module("uvicorn")
    except ImportError:
        raise MissingExtra("starlette or uvicorn", "dashboard") from None


class Board:
    """What is told: a log, a title, and the time.

    Args:
        title: what the page is about.
        is_live: whether the page begins at the end, and not at the beginning.
        now_s: what time it is on the scale of the messages; None: it does not go on.
    """

    def __init__(
        self, title: str, *, is_live: bool, now_s: Callable[[], float] | None = None
    ) -> None:
        self.title, self.is_live, self.now_s = title, is_live, now_s
        self.log = Log()
        self.notes: list[str] = []
        """What whoever looks should know: that something is left out, and why."""
        self.is_over = False
        self.plays = False
        """Whether there is a playground behind the page."""

    def hello(self) -> Message:
        """The first message of every stream."""
        return {
            "kind": "hello",
            "schema": SCHEMA,
            "title": self.title,
            "live": self.is_live,
            "notes": self.notes,
            "forgotten": self.log.forgotten,
            **({"plays": True} if self.plays else {}),
        }

    async def stream(self) -> AsyncIterator[bytes]:
        """All that is known, then what comes."""
        yield event([self.hello()])
        cursor, ready, quiet_s = 0, False, 0.0
        while not self.is_over:
            found, cursor = self.log.since(cursor)
            if not ready and cursor == self.log.end:
                found, ready = [*found, {"kind": "ready"}], True
            if found or quiet_s >= STILL_S:
                now = [] if self.now_s is None else [{"kind": "now", "at_s": self.now_s()}]
                yield event([*found, *now])
                quiet_s = 0.0
            if cursor == self.log.end:
                await asyncio.sleep(BREATH_S)
                quiet_s += BREATH_S
            else:
                await asyncio.sleep(0)


def event(messages: list[Message]) -> bytes:
    """Messages as one event of a stream."""
    return b"data: " + json.dumps(messages, separators=(",", ":")).encode() + b"\n\n"


def application(board: Board, names: frozenset[str] = frozenset(), more: Sequence[Any] = ()) -> Any:
    """The page as an ASGI application.

    Args:
        names: what this machine may be called, besides its numbers and localhost.
        more: routes besides; what is posted to them is guarded here.

    Raises:
        MissingExtra: the extra is missing.
    """
    libraries()
    responses = importlib.import_module("starlette.responses")
    routing = importlib.import_module("starlette.routing")
    staticfiles = importlib.import_module("starlette.staticfiles")
    applications = importlib.import_module("starlette.applications")
    streams = 0

    async def limited() -> AsyncIterator[bytes]:
        nonlocal streams
        streams += 1
        try:
            async for piece in board.stream():
                yield piece
        finally:
            streams -= 1

    async def stream(request: Any) -> Any:
        if streams >= STREAMS_MAX:
            return responses.PlainTextResponse("too many look already\n", 503)
        return responses.StreamingResponse(limited(), media_type="text/event-stream")

    inner = applications.Starlette(
        routes=[
            routing.Route("/stream", stream, methods=["GET"]),
            *more,
            routing.Mount("/", staticfiles.StaticFiles(directory=PAGE, html=True)),
        ]
    )
    refusal = responses.PlainTextResponse("this server has another name: use its number\n", 421)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await inner(scope, receive, send)
            return

        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                ours = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message = message | {"headers": [*message["headers"], *ours]}
            await send(message)

        given = [
            (key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]
        ]
        hosts = [value for key, value in given if key == "host"]
        answer = inner if len(hosts) == 1 and is_ours(hosts[0], names) else refusal
        if answer is inner and more and scope["method"] == "POST":
            unwanted = refusal_of_input(dict(given))
            if unwanted is not None:
                answer = responses.PlainTextResponse(f"{unwanted[1]}\n", unwanted[0])
        await answer(scope, receive, marked)

    return guarded


class Server:
    """A page at an address. Make it, tell people :attr:`url`, await :meth:`run`.

    Args:
        bind: the address; other than loopback, anybody who reaches it can look.
        port: 0: one that is free.
        more: routes besides those of the page.

    Raises:
        MissingExtra: the extra is missing.
        BadConfig: the address cannot be used.
    """

    def __init__(
        self,
        board: Board,
        bind: str = "127.0.0.1",
        port: int = PORT,
        more: Sequence[Any] = (),
    ) -> None:
        _, uvicorn = libraries()
        self._board = board
        self._sock = _listening(bind, port)
        self.port: int = self._sock.getsockname()[1]
        shown = "127.0.0.1" if bind == "0.0.0.0" else "::1" if bind == "::" else bind
        self.url = f"http://{format_endpoint(shown, self.port)}/"
        names = frozenset() if is_private(bind) else frozenset(_names(bind))
        config = uvicorn.Config(
            application(board, names, more),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            lifespan="off",
            ws="none",
            limit_concurrency=4 * STREAMS_MAX,
        )
        self._server = uvicorn.Server(config)
        # Signals are the command's business.
        self._server.capture_signals = nullcontext

    async def run(self) -> None:
        """Serve until :meth:`stop`."""
        try:
            await self._server.serve(sockets=[self._sock])
        finally:
            self._sock.close()

    def stop(self) -> None:
        """End all streams, then the server."""
        self._board.is_over = True
        self._server.should_exit = True


def _listening(bind: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError):
        raise BadConfig(f"--bind {bind}: no address of this machine") from None
    family, _, _, _, address = found[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(STREAMS_MAX)  # so that whoever is told the address may come at once
    except OSError as error:
        sock.close()
        raise BadConfig(
            f"{format_endpoint(bind, port)} cannot be listened on: {error.strerror};"
            " choose another with --port or --bind (--port 0: one that is free)"
        ) from None
    return sock


def _names(bind: str) -> list[str]:
    names = [] if is_numeric(bind) else [bind]
    with suppress(OSError):
        names += [socket.gethostname(), socket.getfqdn()]
    return [name.lower() for name in names]


def warning(bind: str) -> str | None:
    """What to say when others can look; None: they cannot."""
    if is_private(bind):
        return None
    return f"anybody who reaches {bind} can look at this page: it asks for no password"
