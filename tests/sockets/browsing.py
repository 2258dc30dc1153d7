"""Pages in a real browser: Debian's chromium, driven by playwright."""

import os
import shutil

import pytest

from tests.namespaces import stop_test

SOON_MS = 60_000
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
"""What chromium gives up with when another test makes a host meanwhile."""
LOADS_MOST = 10


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        stop_test("chromium is missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    # Its own sandbox is not for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


def patient(page, wrong):
    """A page that is loaded again when the network changed meanwhile; other errors are `wrong`."""
    cut_off, load = [], page.goto
    page.on(
        "console",
        lambda said: (
            said.type == "error"
            and (cut_off if NETWORK_CHANGED in said.text else wrong).append(said.text)
        ),
    )

    def goto(url):
        for _ in range(LOADS_MOST):
            cut_off.clear()
            load("about:blank")
            load(url)
            if not cut_off:
                return

    page.goto = goto


@pytest.fixture
def page(browser):
    """A page; an error in it, or a request to elsewhere, fails the test."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(SOON_MS)
    wrong = []
    patient(page, wrong)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda asked: (
            asked.url.startswith(("http://127.0.0.1:", "about:")) or wrong.append(asked.url)
        ),
    )
    yield page
    page.close()
    assert wrong == []
