"""The space-time picture and the readings in a real browser, drawn from what a stage told."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from clocksync.dashboard.server import Board, Server
from tests.sockets import browsing
from tests.vsync.playground.algorithms.driving import play, scenes

browser = browsing.browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DRAWN = """async at => {
  const section = (id) => {
    if (!document.getElementById(id)) {
      const made = document.createElement("section");
      made.id = id;
      document.body.append(made);
    }
    return document.getElementById(id);
  };
  if (!window.stored) {
    const { Store } = await import("./store.js");
    window.stored = new Store();
    await new Promise((ready) => {
      const stream = new EventSource("stream");
      stream.onmessage = ({ data }) => JSON.parse(data).forEach((message) => {
        if (message.kind === "ready") { stream.close(); ready(); } else window.stored.add(message);
      });
    });
  }
  const spacetime = await import("./spacetime.js"), readings = await import("./readings.js");
  spacetime.draw(section("drawn-spacetime"), stored, at, { speed: 1, isPlaying: false });
  if (readings.has(stored)) readings.draw(section("drawn-readings"), stored, at);
  const all = (what) => [...document.querySelectorAll(what)].map((one) => one.textContent);
  const count = (what) => all(`#drawn-spacetime ${what}`).length;
  return {
    flying: count(".envelope"), come: count(".tip"), lost: count(".cross"),
    inside: count(".span.inside"), waiting: count(".span.waiting"), down: count(".lane-head.down"),
    marks: all("#drawn-spacetime .note"),
    values: all("#drawn-readings text.strong"),
    moments: stored.moments.map((moment) => moment.at_s),
  };
}"""


@contextmanager
def told(browser, name, scene_name):
    """Draws what that scene told, as of a time."""
    scene = next(each for stage, each in scenes() if (stage, each.name) == (name, scene_name))
    board = Board(name, is_live=False)
    board.log.extend(play(name, scene)[1])
    server = Server(board, port=0)
    serving = threading.Thread(target=lambda: asyncio.run(server.run()))
    serving.start()
    page, wrong = browser.new_page(), []
    browsing.patient(page, wrong)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        page.goto(server.url)
        page.wait_for_selector("html[data-ready]")
        yield lambda at_s: page.evaluate(DRAWN, at_s)
        page.goto("about:blank")
    finally:
        page.close()
        server.stop()
        serving.join()
    assert wrong == []


def test_an_arrow_is_under_way_until_it_comes_and_stepping_back_shows_the_past(browser) -> None:
    with told(browser, "ricart-agrawala", "two-at-once") as drawn:
        end = drawn(6.5)
        assert (end["flying"], end["lost"], end["come"], end["inside"]) == (0, 0, 8, 2)
        early = drawn(0.3)
        assert (early["flying"], early["come"], early["inside"], early["waiting"]) == (4, 0, 0, 2)
        assert early["marks"] == []
        assert drawn(6.5) == end


def test_an_arrow_that_was_lost_was_under_way_before(browser) -> None:
    with told(browser, "ricart-agrawala", "one-dies") as drawn:
        assert drawn(1.2)["lost"] == 0
        assert drawn(1.2)["flying"] == 2
        after = drawn(3.0)
        assert (after["lost"], after["down"]) == (1, 1)
        assert "killed" in after["marks"]


def test_one_can_step_to_where_a_message_comes(browser) -> None:
    with told(browser, "lamport", "as-they-run") as drawn:
        assert [at for at in drawn(9)["moments"] if at == int(at)][-1] == 9.0
        assert {1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0} <= set(drawn(9)["moments"])
        assert sorted(drawn(9)["marks"], key=int) == ["6", "16", "24", "40", "54", "56", "60", "64"]


def test_readings_show_the_clocks_as_they_were(browser) -> None:
    with told(browser, "berkeley", "textbook") as drawn:
        assert drawn(0.01)["values"] == ["3:00", "3:25", "2:50"]
        assert drawn(0.05)["values"] == ["3:05"] * 3
        assert drawn(0.01)["values"] == ["3:00", "3:25", "2:50"]
