"""Runs the commands that the documentation shows, and holds what they print against it.  [I/O]

``python -m tools.run_docs`` runs all pages with marked blocks (:mod:`tools.transcripts`), each in a
temporary folder of its own; ``--write`` puts what came into the pages, ``--unmarked`` says how many
commands each page shows that nothing runs (1 if there is one). Exit 1 where a page shows something
else. Pages with hosts of their own need root on Linux, and are left out elsewhere.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from tools.stage_hosts import NoHosts, StageHosts
from tools.terminals import Terminal
from tools.transcripts import (
    ELLIPSIS,
    INTERRUPT,
    BadPage,
    Block,
    Step,
    blocks,
    hosts,
    matches,
    pictures,
    rewritten,
    unmarked,
)

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

PATIENCE_S = 60.0
"""For one command; for one that is repeated, for all its repetitions."""
PAUSE_S = 0.4


@dataclass(frozen=True, slots=True)
class Difference:
    """A block that does not show what came."""

    line: int
    told: str


@dataclass(slots=True)
class Played:
    """What came of a page."""

    differences: list[Difference] = field(default_factory=list)
    news: dict[tuple[int, int], list[tuple[Step, list[str]]]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)


class Stage:
    """The folder, the hosts and the terminals of one page."""

    def __init__(self, folder: Path, stack: ExitStack, hosts: dict[str, str]) -> None:
        self._folder, self._stack = folder, stack
        self._hosts = StageHosts(hosts, folder, stack)
        self._environment = _environment(folder)
        self._terminals: dict[tuple[str, str], Terminal] = {}

    def play(self, block: Block) -> tuple[list[tuple[Step, list[str]]], str]:
        """What each step printed, and what is wrong with it in words, if anything."""
        if block.file is not None:
            (self._folder / block.file).write_text(block.content, encoding="utf-8")
            return [], ""
        end = time.monotonic() + PATIENCE_S
        while True:
            printed, wrong = self._once(block)
            if not wrong or "until" not in block.options or time.monotonic() > end:
                return printed, wrong
            time.sleep(PAUSE_S)

    def _once(self, block: Block) -> tuple[list[tuple[Step, list[str]]], str]:
        printed = []
        wrong = ""
        for step, after in zip_longest(block.steps, block.steps[1:]):
            last = after is None
            lines, code = self._step(block, step, last)
            printed.append((step, lines))
            expected = block.exit_code if last else 0
            is_shown = after is not None and after.command == "echo $?"
            if code is not None and code != expected and not is_shown:
                wrong = wrong or f"{step.command}: exit code {code}, not {expected}"
            if not _fits(block, step, lines):
                wrong = wrong or f"{step.command}: printed something else"
        return printed, wrong

    def _step(self, block: Block, step: Step, last: bool) -> tuple[list[str], int | None]:
        """The lines, and the exit code if the command has one that counts."""
        terminal = self._terminal(*block.terminal)
        if step.command == INTERRUPT:
            terminal.interrupt()
            return terminal.result(PATIENCE_S)
        if step.command != ELLIPSIS:
            terminal.type(step.command)
        if last and "in" in block.options:
            return terminal.so_far(lambda lines: _is_all(block, step, lines), PATIENCE_S), None
        lines, code = terminal.result(PATIENCE_S)
        return lines, -1 if code is None else code

    def _terminal(self, host: str, name: str) -> Terminal:
        if (host, name) not in self._terminals:
            before = self._hosts.before(host) if host else ()
            terminal = Terminal(self._folder, self._environment, before)
            self._terminals[host, name] = self._stack.enter_context(terminal)
        return self._terminals[host, name]


def _fits(block: Block, step: Step, lines: list[str]) -> bool:
    return matches(step.shown, lines, block.varies, "anyorder" in block.options)


def _is_all(block: Block, step: Step, lines: list[str]) -> bool:
    """Whether what a command that goes on has printed is what is shown; one line is least."""
    is_quiet = not any(map(str.strip, step.shown))
    return is_quiet or (bool(lines) and _fits(block, step, lines))


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of whoever runs this, but the programs."""
    run = folder / ".run"
    run.mkdir(mode=0o700, exist_ok=True)
    return {
        "PATH": ":".join(
            (str(folder / ".bin"), str(Path(sys.executable).parent), os.environ.get("PATH", ""))
        ),
        "HOME": str(folder),
        "TMPDIR": str(run),
        "XDG_RUNTIME_DIR": str(run),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "110",
    }


def play(page: Path) -> Played:
    """Run what a page shows.

    Raises:
        BadPage: its marks cannot be understood.
        NoHosts: it needs hosts, and there can be none here.
    """
    played = Played()
    text = page.read_text(encoding="utf-8")
    folder = Path(tempfile.mkdtemp(prefix="docs-"))
    try:
        for name in ("deploy", "docs", "examples", "tests", "tools"):
            (folder / name).symlink_to(ROOT / name)  # as in a checkout
        with ExitStack() as stack:
            stage = Stage(folder, stack, hosts(text))
            for block in blocks(text):
                if block.not_run:
                    continue
                printed, wrong = stage.play(block)
                if wrong:
                    came = "\n".join(f"    {line}" for _, lines in printed for line in lines)
                    played.differences.append(Difference(block.line, f"{wrong}\n{came}"))
                    played.news[block.span] = printed
        for name in pictures(text):
            if not (folder / name).exists():
                played.differences.append(Difference(1, f"nothing draws {name}"))
            elif not (page.parent / name).exists():
                played.differences.append(Difference(1, f"{name} is not kept beside the page"))
            if (folder / name).exists():
                played.pictures[name] = (folder / name).read_bytes()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return played


def marked_pages() -> list[Path]:
    """The pages that show something which is run."""
    return [
        page
        for page in all_pages()
        if any(not block.not_run for block in blocks(page.read_text(encoding="utf-8")))
    ]


def all_pages() -> list[Path]:
    """All pages: that which is read first, and the documentation."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.run_docs", description="run the commands that the documentation shows"
    )
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="default: all")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="put what was printed into the pages")
    what.add_argument("--unmarked", action="store_true", help="count the commands nothing runs")
    options = parser.parse_args(arguments)
    if options.unmarked:
        return _tell_unmarked()
    bad = 0
    for page in options.pages or marked_pages():
        began = time.monotonic()
        try:
            played = play(page)
        except NoHosts as error:
            print(f"{page}: not run: {error}")
            continue
        except (BadPage, OSError) as error:
            print(f"{page}: {error}", file=sys.stderr)
            return 2
        bad += bool(played.differences)
        for difference in played.differences:
            print(f"{page}:{difference.line}: {difference.told}")
        if options.write and played.differences:
            page.write_text(rewritten(page.read_text("utf-8"), played.news), encoding="utf-8")
            for name, drawn in played.pictures.items():
                (page.parent / name).write_bytes(drawn)
        print(f"{page}: {len(played.differences)} differences, {time.monotonic() - began:.1f} s")
    return 1 if bad and not options.write else 0


def _tell_unmarked() -> int:
    total = 0
    for page in all_pages():
        count = unmarked(page.read_text(encoding="utf-8"))
        total += count
        if count:
            print(f"{count:>4}  {page.relative_to(ROOT)}")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
