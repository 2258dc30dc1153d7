"""Draws ``docs/dashboard.png``: the page on a simulated run, soon after members died.  [I/O]

::

    python -m tools.dashboard_picture                    writes it
    python -m tools.dashboard_picture out.png --dark     elsewhere, as it is at night

It needs chromium (``apt-get install chromium``) and the extra ``dev``.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PICTURE = Path(__file__).parent.parent / "docs" / "dashboard.png"
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


def photograph(url: str, dark: bool) -> bytes:
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
        goes_to_a_death(page)
        picture = page.screenshot()
        browser.close()
    return picture


def main() -> int:
    """Simulate, serve, look."""
    parser = argparse.ArgumentParser(description="A picture of the live page.")
    parser.add_argument("picture", type=Path, nargs="?", default=PICTURE)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    if shutil.which("chromium") is None:
        print("dashboard_picture: chromium is missing: apt-get install chromium", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        history = Path(folder) / "five members.jsonl"
        vsync = [sys.executable, "-m", "vsync"]
        subprocess.run([*vsync, *RUN, f"--history={history}"], check=True, capture_output=True)
        serving = subprocess.Popen(
            [*vsync, "dashboard", "--port=0", f"--file={history}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert serving.stderr is not None, "a pipe"
            raw = photograph(serving.stderr.readline().split()[4], given.dark)
        finally:
            serving.terminate()
            serving.communicate()
    from PIL import Image

    image = Image.open(io.BytesIO(raw)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(given.picture, optimize=True)
    print(f"{given.picture}: {given.picture.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
