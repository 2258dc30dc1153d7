"""The documentation site builds without a warning, loads nothing from elsewhere, and is whole."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="needs the extra docs")

from tools.site import docstrings, hooks, reference, sources, states

pytestmark = pytest.mark.timeout(300)  # the site is built within the first test
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as CI and whoever publishes it build it."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
        cwd=ROOT,
        env={"PATH": "", "HOME": str(out), "NO_MKDOCS_2_WARNING": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).strip() == "", "a build without warnings says nothing"
    return out


def pages(site):
    return sorted(site.rglob("*.html"))


class Fetched(HTMLParser):
    """Addresses of what a browser loads with a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag in {"script", "img", "iframe", "source", "embed"} and names.get("src"):
            self.found.append(names["src"])
        if tag == "link" and names.get("rel") not in {"canonical", "next", "prev"}:
            self.found.append(names["href"])


@pytest.mark.slow
def test_a_page_loads_only_files_of_the_site(site):
    checked = 0
    for page in pages(site):
        parser = Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        for address in parser.found:
            assert not re.match(r"(?:[a-z]+:)?//", address), f"{page.name} loads {address}"
            if page.name != "404.html":  # which does not know where it stands
                assert (page.parent / address).is_file(), f"{page.name}: {address} is not there"
            checked += 1
    assert checked > 300


@pytest.mark.slow
def test_no_page_asks_for_the_scripts_that_the_theme_would_fetch_from_elsewhere(site):
    # The theme loads Mermaid from a network of others as soon as a page has a diagram for it.
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert 'class="mermaid"' not in text, page.name
    assert '<svg class="states"' in (site / "ring-states.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_name_that_a_package_offers_is_on_its_page(site):
    for package in reference.PACKAGES:
        text = (site / f"reference/api/{package}.html").read_text(encoding="utf-8")
        homes = reference.homes_of(package)
        names = [name for name in import_module(package).__all__ if not name.startswith("_")]
        missing = [name for name in names if f'id="{homes[name]}.{name}"' not in text]
        assert missing == [], package


@pytest.mark.slow
def test_every_command_and_decision_has_a_page(site):
    for path in reference.command_pages():
        assert "Usage: " in (site / path).with_suffix(".html").read_text(encoding="utf-8")
    decisions = sorted((DOCS / "decisions").glob("0*.md"))
    assert len(decisions) > 25
    for path in decisions:
        assert (site / "decisions" / f"{path.stem}.html").is_file()


@pytest.mark.slow
def test_no_docstring_shows_its_markup(site):
    for page in sorted((site / "reference" / "api").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r":(?:func|class|meth|mod):", text), page.name
        assert "<blockquote>" not in text, f"{page.name}: an example became a quotation"


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        "<script async src=//cdn.example.org/x.js></script>",
        '<img alt="a" src="http://example.org/a.png">',
        '<link rel="stylesheet" href="https://fonts.example.org/css">',
        '<link href="https://fonts.example.org" rel="preconnect">',
    ],
)
def test_a_page_that_loads_something_from_elsewhere_is_refused(tmp_path, text):
    (tmp_path / "a.html").write_text(f"<p>{text}</p>")
    assert len(list(hooks.loads_from_elsewhere(tmp_path))) == 1


def test_a_style_sheet_that_does_is_refused_and_a_link_to_click_is_not(tmp_path):
    (tmp_path / "a.css").write_text("b{background:url('https://example.org/b.png')}")
    (tmp_path / "a.html").write_text('<a href="https://example.org">x</a><img src="b.png">')
    assert list(hooks.loads_from_elsewhere(tmp_path)) == ["a.css loads https://example.org/b.png"]


def test_every_link_between_documents_leads_somewhere_in_the_repository_too():
    dead = []
    for path in sorted(DOCS.rglob("*.md")):
        text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for found in sources.LINK.finditer(text):
            to = found["to"]
            if ":" not in to and not (path.parent / to).exists():
                dead.append(f"{path.relative_to(ROOT)}: {to}")
    assert dead == []


CLINGING = re.compile(r"^(?![-*] |\d+\. |[ |>#]).+\n(?:[-*]|1\.) .*", re.MULTILINE)


def test_a_list_stands_apart_from_the_text_above_it():
    # Where the code is hosted it is a list all the same; on the site it would be one paragraph.
    assert CLINGING.search("**Why.**\n- this\n")
    assert not CLINGING.search("**Why.**\n\n- this\n- that\n  and more\n- the third\n")
    for path in sorted(DOCS.rglob("*.md")):
        text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        found = CLINGING.search(text)
        assert not found, f"{path.name}: {found and found[0]}"


def test_a_link_out_of_the_documentation_is_turned_and_a_dead_one_is_left_to_be_found():
    turned = sources.rewrite("how-to/x.md", "[a](../../vsync/config.py) [b](../../vsync/gone.py)")
    assert turned == "[a](../source/vsync/config.py.md) [b](../../vsync/gone.py)"


def test_a_link_that_is_called_by_its_file_gets_the_title():
    turned = sources.rewrite("ring.md", "see [checking.md](checking.md#x) and [it](checking.md)")
    assert turned == "see [Judging histories](checking.md#x) and [it](checking.md)"


def test_a_state_diagram_names_every_state_and_every_cause():
    body = "    [*] --> idle\n    idle --> busy: called<br/>asked\n    busy --> idle: done\n"
    names, arrows = states.read(body)
    assert names == ["idle", "busy"]
    assert [(each.start, each.end, each.why) for each in arrows] == [
        (0, 1, "called, asked"),
        (1, 0, "done"),
    ]
    drawn = states.drawn(f"before\n\n```mermaid\nstateDiagram-v2\n{body}```\n")
    assert "mermaid" not in drawn
    for word in ("idle", "busy", "called, asked", "done"):
        assert f">{word}</text>" in drawn


def test_an_example_in_a_docstring_becomes_code_and_the_text_around_it_stays():
    text = "Says :func:`~a.b`.\n\n>>> f(1)  # doctest: +SKIP\n[1, 2]\n\nAs in::\n\n    x"
    assert docstrings.as_markdown(text) == (
        "Says `b`.\n\n```pycon\n>>> f(1)\n[1, 2]\n```\n\nAs in:\n\n    x"
    )
