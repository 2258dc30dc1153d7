"""The playground in a real browser: Debian's chromium, driven by playwright."""

import json
import urllib.request
from contextlib import contextmanager

import pytest

from tests.sockets import browsing
from tests.sockets.test_dashboard import command

browser, page = browsing.browser, browsing.page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def url():
    """The address of a playground."""
    with command("vsync", "playground", "--port=0") as process:
        said = process.stderr.readline()
        assert "http://127.0.0.1:" in said, said
        yield said.split()[4]


@contextmanager
def playing(page, url, where):
    """A stage or a scene; no error of what is cut off when one goes away."""
    page.goto(f"{url}#play/{where}")
    page.wait_for_selector("#net .person")
    yield page
    page.goto("about:blank")


def quick(page):
    """At four times the speed: what is waited for comes sooner."""
    page.locator("#speed").select_option("4")


def person(page, number):
    return page.locator(f'#net [data-member="{number}"]')


def wire(page, one, other):
    return page.locator(f'#net .wire[aria-label^="Link {one} – {other}:"]')


def health(page, text):
    page.locator("#health", has_text=text).wait_for()


def test_the_menu_leads_to_scenes_and_to_free_play(page, url) -> None:
    page.goto(url)
    page.locator("#menu .card.walk").wait_for()
    assert page.locator("#menu .sketch").count() == 4 + 5  # properties and algorithms
    page.locator("#menu .card.walk", has_text="Five minutes").click()
    page.locator("#guide-title", has_text="Five processes that want to agree").wait_for()
    assert page.url.endswith("#play/ring/five-minutes")
    page.locator("#home").click()
    page.locator("#menu .card", has_text="Five members on a ring").click()
    page.wait_for_selector("#net .person")
    assert page.locator("#guide").is_hidden()
    page.goto("about:blank")


def test_a_member_is_killed_with_a_click_and_the_view_changes(page, url) -> None:
    with playing(page, url, "ring"):
        quick(page)
        person(page, 3).click()
        page.get_by_role("menuitem", name="Kill").click()
        page.locator("#story", has_text="You killed 3").wait_for()
        health(page, "4 members on one ring; 3 is gone")
        page.locator("#story", has_text="New configuration {1,2,4,5}").wait_for()
        page.locator("#told text", has_text="{1,2,4,5}").first.wait_for()


def test_a_member_is_killed_and_started_again_with_keys(page, url) -> None:
    with playing(page, url, "ring"):
        quick(page)
        page.keyboard.press("4")
        page.get_by_role("menuitem", name="Send AGREED").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        health(page, "4 members on one ring; 4 is gone")
        person(page, 4).focus()
        page.keyboard.press("Enter")
        page.get_by_role("menuitem", name="Restart", exact=True).focus()
        page.keyboard.press("Enter")
        health(page, "5 members on one ring")


def test_a_message_tells_where_it_is_and_why(page, url) -> None:
    with playing(page, url, "ring"):
        page.locator("#controls").get_by_role("button", name="Send SAFE").click()
        page.locator("#why li", has_text="has it, and waits: SAFE").first.wait_for()
        quick(page)  # not before: what passes quickly is not seen by a browser that is slow
        page.locator("#why li.got").nth(4).wait_for()
        page.locator("#told .verdict", has_text="✓ same order").wait_for()


def test_a_link_is_cut_and_mended_with_a_click_and_with_keys(page, url) -> None:
    with playing(page, url, "ring"):
        wire(page, 1, 3).locator(".reach").click()
        page.locator('#net .wire.cut[aria-label^="Link 1 – 3: cut"]').wait_for()
        wire(page, 1, 3).focus()
        page.keyboard.press("Enter")
        page.locator('#net .wire[aria-label^="Link 1 – 3: whole"]').wait_for()


def test_the_network_is_split_and_healed(page, url) -> None:
    with playing(page, url, "ring"):
        quick(page)
        controls = page.locator("#controls")
        for number in (1, 2):
            controls.get_by_role("checkbox", name=f"member {number}").click()
        controls.get_by_role("button", name="Split the network").click()
        health(page, "split:")
        controls.get_by_role("button", name="Heal all links").click()
        health(page, "5 members on one ring")


def test_what_cannot_be_done_is_said_in_one_line(page, url) -> None:
    with playing(page, url, "ring"):
        page.locator("#controls").get_by_role("button", name="Heal all links").click()
        page.locator("#trouble", has_text="all links are whole").wait_for()


def test_a_pause_stops_the_world_and_the_past_can_be_looked_at(page, url) -> None:
    with playing(page, url, "ring"):
        page.locator("#controls").get_by_role("button", name="Send AGREED").click()
        page.locator("#told .tile[data-message]").nth(4).wait_for()
        page.locator("h2#net-h").click()
        page.keyboard.press("Space")
        page.locator('#play[aria-label="Play"]').wait_for()
        at = "Number(document.querySelector('#clock').dataset.at)"
        now = page.evaluate(at)
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(f"now => {at} < now", arg=now)
        # Whoever does something does it now.
        page.locator("#controls").get_by_role("button", name="Ask the judge").click()
        page.locator("#story", has_text="The judge: every promise was kept").wait_for()


def test_a_scene_plays_to_its_end_and_the_judge_speaks(page, url) -> None:
    with playing(page, url, "ring/virtual-synchrony"):
        titles = []
        for _ in range(6):
            titles.append(page.locator("#guide-title").inner_text())
            page.keyboard.press("Enter")
            page.wait_for_function(
                "before => document.querySelector('#guide-title').textContent !== before",
                arg=titles[-1],
            )
            if page.locator("#guide-title").inner_text() == "What can't happen":
                page.locator("#told .verdict.bad", has_text="2 lacks M4").wait_for()
        verdict = page.locator("#guide-verdict.bad")
        verdict.wait_for()
        assert "D2" in verdict.inner_text()
        page.locator("#guide-next", has_text="To the menu").click()
        page.locator("#menu").wait_for()


def test_a_scene_is_taken_over(page, url) -> None:
    with playing(page, url, "ring/five-minutes"):
        person(page, 1).click()
        page.locator("#trouble", has_text="Play on from here").wait_for()
        page.locator("#guide-free").click()
        page.locator("#guide").wait_for(state="hidden")
        person(page, 1).click()
        page.get_by_role("menuitem", name="Kill").wait_for()


def test_nothing_scrolls_sideways_in_small_windows(browser, url) -> None:
    for width in (800, 390):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark")
        browsing.patient(page, [])
        for where in ("", "#play/ring", "#play/ring/agreed"):
            page.goto(url + where)
            page.wait_for_selector("#net .person" if where else "#menu .card")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_another_page_cannot_post(url) -> None:
    """A form of another origin: the server says no before anything begins."""
    request = urllib.request.Request(
        f"{url}play",
        data=json.dumps({"stage": "ring", "scene": None}).encode(),
        headers={"content-type": "text/plain", "origin": "http://evil.example"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 403
    refused.value.close()
