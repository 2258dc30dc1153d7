"""What MkDocs calls while it builds the site (``mkdocs.yml``, ``hooks``).  [I/O]

Pages that are made from the code and from files beside ``docs/`` are added, links to those files
turned, state diagrams drawn; and a site that would load something from elsewhere is refused.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # the `mkdocs` command does not look where it was started
    sys.path.insert(0, str(ROOT))

from tools.site import reference, sources, states  # noqa: E402

# An attribute that makes a browser fetch something. A link that a reader may click is none.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\s(?:src|data)=[\"']?"
    r"(?P<src>(?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?=[^>]*rel=[\"']?(?:stylesheet|preconnect|preload|icon))[^>]*?\shref=[\"']?"
    r"(?P<href>(?:https?:)?//[^\"'\s>]+)",
    re.IGNORECASE,
)
# And in a style sheet.
IMPORTED = re.compile(r"(?:@import\s+|url\()[\"']?(?P<url>(?:https?:)?//[^\"')\s]+)")
MARK = re.compile(r"^<!-- (?:run|file)\b.*?-->\n", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that grow with the code."""
    fill = {
        "Commands": _commands(),
        "Python": [{Path(path).stem: path} for path in sorted(reference.api_pages())],
        "Decisions": [{_title(path): f"decisions/{path.name}"} for path in _decisions()],
    }
    config.nav = _filled(config.nav, fill)
    return config


def _commands() -> list[dict[str, Any]]:
    """A group for each program, its own page first."""
    groups: dict[str, list[dict[str, str]]] = {}
    for words, *_ in reference.commands():
        page = {" ".join(words): reference.page_of(words)}
        groups.setdefault(words[0], []).append(page)
    return [{program: pages} for program, pages in groups.items()]


def _decisions() -> list[Path]:
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def _title(path: Path) -> str:
    return sources.title(path).replace("`", "")


def _filled(nav: Any, fill: dict[str, Any]) -> Any:
    """The navigation with ``Title: made`` replaced by what is made."""
    if isinstance(nav, list):
        return [_filled(each, fill) for each in nav]
    if isinstance(nav, dict):
        return {
            title: fill[title] if below == "made" else _filled(below, fill)
            for title, below in nav.items()
        }
    return nav


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    made = reference.api_pages() | reference.command_pages() | sources.linked(ROOT / "docs")
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links to files beside ``docs/``, draw state diagrams, leave marks of tools out."""
    return states.drawn(sources.rewrite(page.file.src_uri, MARK.sub("", markdown)))


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that loads something from elsewhere."""
    offences = list(loads_from_elsewhere(Path(config.site_dir)))
    if offences:
        raise PluginError("the site must load nothing from elsewhere:\n" + "\n".join(offences))


def loads_from_elsewhere(site: Path) -> Iterator[str]:
    """What pages and style sheets make a browser fetch that is not of the site."""
    for path in sorted(site.rglob("*")):
        pattern = {".html": FETCHED, ".css": IMPORTED}.get(path.suffix)
        if pattern is None:
            continue
        for found in pattern.finditer(path.read_text(encoding="utf-8")):
            address = next(filter(None, found.groups()))
            yield f"{path.relative_to(site)} loads {address}"
