"""Links from pages to files beside ``docs/``: the site has a page for each such file.  [I/O]

A page says ``[schema](../clocksync/schemas/measure-1.json)``, which works where the code is hosted.
The site shows the file at ``source/clocksync/schemas/measure-1.json``.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<to>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".yaml": "yaml", ".lua": "lua"}

# Documents that live at the top of the repository, and where the site has them.
TOP = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def target(page: str, link: str) -> str | None:
    """The file in the repository that a link on ``docs/<page>`` means, if it is not in ``docs/``.

    >>> target("ring.md", "../vsync/config.py"), target("ring.md", "groups.md")
    ('vsync/config.py', None)
    """
    if ":" in link or link.startswith("/"):
        return None
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path.startswith(("docs/", "../")) or path == "docs" else path


def shown_at(path: str) -> str:
    """The page of the site that shows a file of the repository."""
    return TOP.get(path, f"source/{path}.md")


def rewrite(page: str, markdown: str) -> str:
    """The page with links to files beside ``docs/`` turned to where the site shows them.

    A link that names a page by its file, as ``[ring.md](ring.md)`` does, gets the page's title.
    """

    def turned(found: re.Match[str]) -> str:
        path = target(page, found["to"])
        if path is None and found["text"] == posixpath.basename(found["to"]):
            return _named(page, found)
        if path is None or not (ROOT / path).is_file():
            return found[0]  # a dead link stays one, and MkDocs says so
        here = posixpath.dirname(page) or "."
        return f"[{found['text']}]({posixpath.relpath(shown_at(path), here)})"

    return LINK.sub(turned, markdown)


def _named(page: str, found: re.Match[str]) -> str:
    """A link to a page that calls it by its file: by its title, the site has no files."""
    path = ROOT / "docs" / posixpath.dirname(page) / found["to"]
    if path.suffix != ".md" or not path.is_file():
        return found[0]
    return f"[{title(path)}]({found['to']}{found['anchor'] or ''})"


def title(path: Path) -> str:
    """The first heading of a page, which is its first line."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def linked(docs: Path) -> dict[str, str]:
    """Path on the site and Markdown of each file beside ``docs/`` that a page links to."""
    pages = {shown_at(name): _from_the_top(name) for name in TOP}
    for path in sorted(docs.rglob("*.md")):
        page = path.relative_to(docs).as_posix()
        for found in LINK.finditer(path.read_text(encoding="utf-8")):
            source = target(page, found["to"])
            if source and source not in TOP and (ROOT / source).is_file():
                pages[shown_at(source)] = _listing(source)
    return pages


def _listing(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8").rstrip("\n")
    return f"# {path}\n\n````{LANGUAGES.get(Path(path).suffix, 'text')}\n{text}\n````\n"


def _from_the_top(name: str) -> str:
    """A document of the top: its links say ``docs/`` where the site has its root."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return LINK.sub(lambda found: found[0].replace("](docs/", "]("), text)
