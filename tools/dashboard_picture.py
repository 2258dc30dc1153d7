"""Draws ``docs/dashboard.png``, the page on a simulated run, and ``docs/playground.png``.  [I/O]

::

    python -m tools.dashboard_picture                    writes the live page
    python -m tools.dashboard_picture --playground       the playground, split in two
    python -m tools.dashboard_picture out.png --dark     elsewhere, as it is at night

It needs chromium (``apt-get install chromium``) and the extra ``dev``.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
RUN = ("simulate", "--nodes=5", "--seed=21", "--seconds=4", "--faults=crash", "--tokens")
SIZE = {"width": 1400, "height": 900}
SHOWN = "document.querySelector('#clock').dataset.at"
EVENTS_AFTER = 700
COLOURS = 255
"""Few enough for a small file, and enough for what is drawn."""


def goes_to_a_death(page: Any) -> None:
    """From change to change until somebody is left out, and on from there a little."""

    def press(key: str) -> None:
        before = page.evaluate(SHOWN)
        page.keyboard.press(key)
        page.wait_for_function(f"before => {SHOWN} !== before", arg=before)

    press("ArrowRight")
    while not page.locator("#changes li.alive .member.left").count():
        press("n")
    for _ in range(EVENTS_AFTER // 10):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_timeout(1500)  # the tiles glide to where they belong


def splits_and_sends(page: Any) -> None:
    """A scene up to where both sides of a split network send."""
    page.wait_for_selector("#net .person")
    for _ in range(9):
        title = page.locator("#guide-title").inner_text()
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => document.querySelector('#guide-title').textContent !== before", arg=title
        )
    page.locator("#told text", has_text="M13").first.wait_for()
    page.wait_for_timeout(900)  # the letters are on their way


def photograph(url: str, dark: bool, prepare: Callable[[Any], None]) -> bytes:
    """The page as a PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        page = browser.new_page(viewport=SIZE, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        prepare(page)
        picture = page.screenshot()
        browser.close()
    return picture


def of_a_run(dark: bool) -> bytes:
    """The live page on a recorded run."""
    with TemporaryDirectory() as folder:
        history = Path(folder) / "five members.jsonl"
        vsync = [sys.executable, "-m", "vsync"]
        subprocess.run([*vsync, *RUN, f"--history={history}"], check=True, capture_output=True)
        return served(["dashboard", f"--file={history}"], "", dark, goes_to_a_death)


def of_the_playground(dark: bool) -> bytes:
    """The playground in the middle of a scene."""
    return served(["playground"], "#play/ring/five-minutes", dark, splits_and_sends)


def served(command: list[str], where: str, dark: bool, prepare: Callable[[Any], None]) -> bytes:
    """What a page of ours looks like that a command serves."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "vsync", *command, "--port=0"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert serving.stderr is not None, "a pipe"
        url = serving.stderr.readline().split()[4]
        return photograph(url + where, dark, prepare)
    finally:
        serving.terminate()
        serving.communicate()


def main() -> int:
    """Simulate, serve, look."""
    parser = argparse.ArgumentParser(description="A picture of the live page.")
    parser.add_argument("picture", type=Path, nargs="?")
    parser.add_argument("--playground", action="store_true")
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    name, take = ("playground", of_the_playground) if given.playground else ("dashboard", of_a_run)
    picture = given.picture or DOCS / f"{name}.png"
    if shutil.which("chromium") is None:
        print("dashboard_picture: chromium is missing: apt-get install chromium", file=sys.stderr)
        return 2
    raw = take(given.dark)
    from PIL import Image

    image = Image.open(io.BytesIO(raw)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(picture, optimize=True)
    print(f"{picture}: {picture.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
