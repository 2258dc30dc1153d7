"""The page in a real browser: Debian's chromium, driven by playwright."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.sockets import browsing
from tests.sockets.servers import Responder, honest
from tests.vsync.node.loopback import free_ports
from vsync.dashboard import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
browser, page = browsing.browser, browsing.page

ROOT = Path(__file__).parents[2]
SIMULATED = ("simulate", "--nodes=3", "--seed=8", "--seconds=4", "--faults=crash", "--tokens")


@contextmanager
def command(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A command of ours that runs until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.communicate(timeout=60)


@contextmanager
def dashboard(module: str, *arguments: object) -> Iterator[str]:
    """The address of a page."""
    with command(module, "dashboard", "--port=0", *map(str, arguments)) as process:
        said = process.stderr.readline()
        assert "http://127.0.0.1:" in said, said
        yield said.split()[4]


@contextmanager
def opened(page, url):
    """The page, until its server ends: what it then cannot reach is no error of its own."""
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    yield
    page.goto("about:blank")


def press(page, key):
    """A key that changes the time that is shown; returns when another one is."""
    shown = "document.querySelector('#clock').dataset.at"
    before = page.evaluate(shown)
    page.keyboard.press(key)
    page.wait_for_function(f"before => {shown} !== before", arg=before)


def test_a_recorded_file_is_replayed_and_says_why_the_group_changed(page, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    made = [sys.executable, "-m", "vsync", *SIMULATED, f"--history={path}"]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    with dashboard("vsync", "--file", path) as url, opened(page, url):
        assert page.locator("#source").inner_text() == "recorded"
        page.keyboard.press("Space")  # it plays from the beginning; now it stands
        press(page, "ArrowRight")
        # From change to change until somebody is left out.
        while not page.locator("#changes li.alive strong", has_text="left out").count():
            press(page, "n")
        change = page.locator("#changes li.alive", has_text="left out").first
        assert change.locator(".member.left").count() >= 1
        assert len(change.locator(".why").inner_text()) > 10
        page.locator("#order .verdict", has_text="✓ same order").wait_for()
        press(page, "p")
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()


def test_a_live_group_shows_a_member_die_and_the_change(page, tmp_path) -> None:
    ports = free_ports(3)
    with (
        member(1, ports, tmp_path) as _,
        member(2, ports, tmp_path) as _,
        member(3, ports, tmp_path) as third,
    ):
        wait_for(page, lambda: len(list(tmp_path.glob("*.sock"))) == 3)
        attach = [f"--attach={path}" for path in sorted(tmp_path.glob("*.sock"))]
        files = [f"--file={path}" for path in sorted(tmp_path.glob("*.jsonl"))]
        with dashboard("vsync", *attach, *files) as url, opened(page, url):
            health = page.locator("#health")
            health.filter(has_text="3 members on one ring").wait_for()
            assert page.locator("#source").inner_text() == "live"
            page.locator("#order .tile text").first.wait_for()
            third.kill()
            health.filter(has_text="2 members on one ring; 3 is gone").wait_for()
            page.locator("#ring .cross").wait_for()
            change = page.locator("#changes li.alive", has_text="3 left out")
            change.wait_for()
            assert "token" in change.locator(".why").inner_text()


@contextmanager
def member(me, ports, folder):
    """A member that sends a little."""
    peers = [f"--peer={n}=127.0.0.1:{port}" for n, port in enumerate(ports, 1) if n != me]
    with command(
        "vsync", "join", "page", f"--id={me}", f"--listen=127.0.0.1:{ports[me - 1]}", *peers,
        "--insecure-plaintext", "--preset=loopback", "--token-timeout=500ms", "--rate=20",
        f"--status-socket={folder}/", f"--history={folder}/{me}.jsonl",
    ) as process:  # fmt: skip
        yield process


def wait_for(page, is_so):
    """The page's own clock is at hand, and as good as any."""
    for _ in range(1200):
        if is_so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came")


def test_clocks_are_shown_as_bands(page) -> None:
    with (
        Responder(honest) as server,
        dashboard("clocksync", server.host, "--interval=1s") as url,
        opened(page, url),
    ):
        page.locator("#clocks .band").wait_for()
        assert "±" in page.locator("#clocks .reading").inner_text()
        page.locator("#health").filter(has_text="1 of 1 clock known").wait_for()
        assert not page.locator("#ring").is_visible()


def test_a_small_dark_window_has_no_sideways_scrolling(browser, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    made = [sys.executable, "-m", "vsync", *SIMULATED, f"--history={path}"]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    with dashboard("vsync", "--file", path) as url:
        for width in (800, 390):
            page = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme="dark",
                reduced_motion="reduce",
            )  # fmt: skip
            browsing.patient(page, [])
            with opened(page, url):
                page.locator("#order .tile text").first.wait_for()
                wide = page.evaluate("document.documentElement.scrollWidth")
            page.close()
            assert wide <= width


def test_who_is_meant_is_found_out_before_anything_is_served(monkeypatch) -> None:
    monkeypatch.setattr("vsync.node.status.found", lambda: iter(()))
    for wanted, says in (([], "no member runs here"), (["orders"], "no member of orders")):
        with pytest.raises(running.BadConfig, match=says):
            running.finder(wanted)


def test_members_that_disagree_on_the_order_are_named(page, tmp_path) -> None:
    common = {"kind": "regular", "ring": "5.1.a", "ring_seq": 5, "members": [1, 2]}
    sent = {"origin": 1, "service": "agreed", "digest": "d", "timestamp": 1, "error": 1}
    events = []
    for node, first, second in ((1, 1, 2), (2, 2, 1)):
        head = {"node": node, "incarnation": "a"}
        events.append({**head, "at": 0, "event": "boot", "storage": "kept"})
        told = {"id": "R5.1.a", "timestamp": 0, "error": 1, "reason": "the process started"}
        events.append({**head, "at": 1, "event": "configuration", **common, **told})
        for place, number in enumerate((first, second)):
            at = 10**9 * (1 + place) + node
            named = {"message": f"5.1.a/{number}", "flags": [], "configuration": "R5.1.a"}
            events.append({**head, "at": at, "event": "deliver", **sent, **named})
    path = tmp_path / "wrong.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    with dashboard("vsync", "--file", path) as url, opened(page, url):
        page.locator("#slider").focus()
        page.keyboard.press("End")
        page.locator("#order .verdict.bad", has_text="✗ 2 differ").wait_for()
