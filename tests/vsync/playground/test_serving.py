"""What the playground's server takes, and from whom; that viewers are few and each has a world."""

import asyncio
import json

import httpx
import pytest

from clocksync.dashboard.guard import INPUT_BYTES_MAX
from clocksync.dashboard.server import Board, application
from tests.vsync.playground.schema import validate
from vsync.playground.serving import GONE_S, SESSIONS_MAX, Playground
from vsync.playground.stage import NotPossible

OURS = {"origin": "http://127.0.0.1:8766", "sec-fetch-site": "same-origin"}
JSON = {"content-type": "application/json"}
RING = b'{"stage":"ring","scene":null}'


class Time:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def playground(now_s=None):
    return Playground(Board("playground", is_live=True), now_s=now_s or Time())


def ask(playing, path, method="POST", content=RING, headers=None, host="127.0.0.1:8766"):
    """The server's answer to one request."""
    app = application(playing._board, more=playing.routes())

    async def request():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=f"http://{host}"
        ) as client:
            given = OURS | JSON if headers is None else headers
            return await client.request(
                method, path, content=content if method == "POST" else None, headers=given
            )

    return asyncio.run(asyncio.wait_for(request(), 20))


def test_a_session_begins_and_does_what_is_clicked() -> None:
    playing = playground()
    answer = ask(playing, "/play")
    assert answer.status_code == 200
    session = answer.json()["session"]
    assert len(session) >= 20
    kill = b'{"act":{"do":"kill","lane":3}}'
    assert ask(playing, f"/play/{session}", content=kill).json() == {}
    assert ask(playing, f"/play/{session}", content=kill).json() == {
        "error": "3 is dead: that cannot be done now"
    }


@pytest.mark.parametrize(
    "wish",
    [
        b'{"act":{"do":"fly"}}', b'{"act":7}', b"[]", b"7", b"{", b'"act"', b"\xff", b"[" * 1000,
        b'{"time":{"speed":1e9}}', b'{"time":{"speed":"x"}}', b'{"step":0}', b'{"step":true}',
        b'{"anew":1}', b'{"act":{"do":["kill"],"lane":{}}}', b'{"time":{"speed":NaN}}',
    ],
)  # fmt: skip
def test_an_unknown_wish_is_one_line(wish) -> None:
    playing = playground()
    session = playing.begin({"stage": "ring", "scene": None})
    answer = ask(playing, f"/play/{session}", content=wish)
    assert answer.status_code == 200
    assert len(answer.json()["error"].splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://127.0.0.1:8766"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data"}, 415),
        ({"content-type": ""}, 415),
    ],
)
def test_what_another_page_posts_is_refused(more, status) -> None:
    playing = playground()
    answer = ask(playing, "/play", headers=OURS | JSON | more)
    assert answer.status_code == status
    assert playing.count == 0
    assert "access-control-allow-origin" not in answer.headers


def test_a_program_that_is_no_browser_may_post() -> None:
    assert ask(playground(), "/play", headers=JSON).status_code == 200


def test_another_name_is_refused() -> None:
    host = "rebound.example:8766"
    answer = ask(playground(), "/play", headers=JSON | {"origin": f"http://{host}"}, host=host)
    assert answer.status_code == 421


def test_what_is_too_large_or_endless_is_refused() -> None:
    playing = playground()
    large = b'{"stage":"ring","scene":"' + b"x" * INPUT_BYTES_MAX + b'"}'
    assert ask(playing, "/play", content=large).status_code == 413

    async def endless():
        yield RING

    assert ask(playing, "/play", content=endless()).status_code == 411


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(method) -> None:
    assert ask(playground(), "/play", method=method).status_code == 405
    assert ask(playground(), "/play/x", method=method).status_code in (404, 405)


def test_nothing_else_takes_input() -> None:
    playing = playground()
    for path in ("/", "/stream", "/main.js"):
        assert ask(playing, path).status_code == 405


def test_a_plain_page_has_no_playground() -> None:
    app = application(Board("orders", is_live=True))

    async def request():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            got, posted = await client.get("/play"), await client.post("/play", json={})
            return got.status_code, posted.status_code

    assert asyncio.run(request()) == (404, 405)
    assert "plays" not in Board("orders", is_live=True).hello()


def test_a_session_that_is_not_there_is_404() -> None:
    assert ask(playground(), "/play/guessed").status_code == 404


def test_unknown_stages_and_scenes_are_one_line() -> None:
    for wish in (b'{"stage":"moon","scene":null}', b'{"stage":"ring","scene":"moon"}', b"{}"):
        assert "there is no" in ask(playground(), "/play", content=wish).json()["error"]


def test_the_catalogue_names_every_stage_and_scene() -> None:
    found = ask(playground(), "/play", method="GET").json()
    assert found[0]["name"] == "ring"
    assert found[0]["scenes"][0]["name"] == "five-minutes"


# How many


def test_the_oldest_that_nobody_looks_at_makes_room() -> None:
    time = Time()
    playing = playground(time)
    names = []
    for _ in range(SESSIONS_MAX + 3):
        time.s += 1
        names.append(playing.begin({"stage": "ring", "scene": None}))
    assert playing.count == SESSIONS_MAX
    with pytest.raises(KeyError):
        playing.take(names[0], {"anew": True})
    playing.take(names[-1], {"anew": True})


def test_when_all_are_looked_at_one_more_is_refused() -> None:
    playing = playground()
    for _ in range(SESSIONS_MAX):
        playing._held[playing.begin({"stage": "ring", "scene": None})].streams = 1
    with pytest.raises(NotPossible, match="play already"):
        playing.begin({"stage": "ring", "scene": None})


def test_a_session_that_nobody_looks_at_ends() -> None:
    time = Time()
    playing = playground(time)
    playing.begin({"stage": "ring", "scene": None})
    time.s += GONE_S + 1
    assert playing.count == 0


# The stream


def pieces(playing, name, time, count, seconds=0.4):
    async def take():
        found, stream = [], playing.stream(name)
        async for piece in stream:
            found.append(json.loads(piece.removeprefix(b"data: ")))
            time.s += seconds
            if len(found) == count:
                break
        await stream.aclose()
        return found

    return asyncio.run(asyncio.wait_for(take(), 20))


def test_a_stream_tells_the_stage_and_then_what_happens() -> None:
    time = Time()
    playing = playground(time)
    name = playing.begin({"stage": "ring", "scene": None})
    hello, known, *later = pieces(playing, name, time, 8)
    assert hello[0]["plays"] is True
    assert known[0]["kind"] == "stage"
    assert {"ready", "now"} <= {message["kind"] for message in known}
    assert any(message["kind"] == "frame" for piece in later for message in piece)
    for piece in (hello, known, *later):
        validate(piece)


def test_time_stands_while_nobody_looks_and_when_it_is_stopped() -> None:
    time = Time()
    playing = playground(time)
    name = playing.begin({"stage": "ring", "scene": None})
    time.s += 30
    before = pieces(playing, name, time, 2)[-1][-1]["at_s"]
    assert before == 0
    playing.take(name, {"time": {"runs": False}})
    stopped = playing._held[name].session.at_s
    time.s += 30
    playing.take(name, {"time": {"speed": 4}})
    assert playing._held[name].session.at_s == stopped
