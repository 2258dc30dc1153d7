"""The page for groups: files are read and followed, members asked, viewers told.  [I/O]"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from clocksync.dashboard.log import Message
from clocksync.dashboard.server import Board
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND
from vsync.dashboard.following import Followed
from vsync.dashboard.telling import Telling
from vsync.dashboard.translating import Load, Share, Translator, head, origins, share_for
from vsync.node import status as sockets

TOLD_MOST = 60_000
"""Lines of files that are there from the beginning."""
TOLD_PER_S = 600
"""Of files that grow."""
FOLLOW_S = 0.1
ASK_EVERY_S = 0.5
LOOK_AROUND_S = 2.0
APART_NS = 5 * SECOND
HEAD_LINES = 20_000

Find = Callable[[], Mapping[Path, int]]
"""Sockets to ask, each with the member's number, as it may be now."""


class Files:
    """Several histories of one run, read to their ends, and followed from there.

    Args:
        origin_ns: what is 0 s on the page, by the clock of this machine; None: the first event.

    Raises:
        BadConfig: one cannot be read, or none has an event.
        MalformedHistory: a line is no event.
    """

    def __init__(self, paths: Sequence[Path], origin_ns: int | None = None) -> None:
        self.files = [Followed(path) for path in paths]
        self.share = Share(share_for(sum(file.size for file in self.files), TOLD_MOST))
        self.load = Load()
        if origin_ns is None:
            begins = origins([_head(path) for path in paths], APART_NS)
        else:
            begins = [origin_ns] * len(paths)
        self.translators = [
            Translator(self.share, self.load, begin, str(path))
            for path, begin in zip(paths, begins, strict=True)
        ]
        self._budget, self._budget_of = 0, 0.0

    def whole(self) -> list[Message]:
        """All that is there, in the order of time."""
        found: list[Message] = []
        while any(file.has_more for file in self.files):
            found += self.new()
        found += self.load.told()
        # Lines of equal times stay in the order of their file.
        found.sort(key=lambda message: float(message["at_s"]))
        return found

    def new(self) -> Iterator[Message]:
        """What came since the last time, a piece of each file."""
        for file, translator in zip(self.files, self.translators, strict=True):
            for line in file.lines():
                yield from translator.line(line)

    def more(self, now_s: float) -> list[Message]:
        """The same with what was counted; where there is too much, less of it from now on."""
        found = list(self.new())
        if now_s - self._budget_of > 1:
            self._budget, self._budget_of = 0, now_s
        self._budget += len(found)
        while self._budget > TOLD_PER_S and len(found) > 1:
            self.share.thin()
            self._budget //= 2
        newest = self.newest_s
        return [*found, *self.load.told(round((newest - 0.5) * SECOND))]

    @property
    def newest_s(self) -> float:
        """When the last event was."""
        return max(translator.newest_s for translator in self.translators)

    def close(self) -> None:
        """Read no more."""
        for file in self.files:
            file.close()


def _head(path: Path) -> tuple[int | None, int | None]:
    with path.open("rb") as file:
        return head(islice(file, HEAD_LINES), str(path))


def thinned(share: Share) -> list[str]:
    """What a page should say of messages that are left out."""
    if share.of_all >= 1:
        return []
    return [f"1 in {round(1 / share.of_all):,} messages is drawn; rates count them all"]


async def follow(files: Files, board: Board) -> None:
    """Tell what is appended, for ever."""
    while True:
        await asyncio.sleep(FOLLOW_S)
        if not any(file.has_more for file in files.files):
            board.log.extend(files.load.told())
            continue
        share = files.share.of_all
        board.log.extend(files.more(time.monotonic()))
        if board.now_s is None:
            board.now_s = _going_on(files)
        if files.share.of_all != share:
            board.notes = thinned(files.share)
            board.log.add({"kind": "notes", "at_s": board.now_s(), "notes": board.notes})


def _going_on(files: Files) -> Callable[[], float]:
    """The time of a history that grows: as its newest event says, and then by our own clock."""
    newest, since = files.newest_s, time.monotonic()

    def now_s() -> float:
        nonlocal newest, since
        told, now = files.newest_s, time.monotonic()
        if told > newest + now - since:
            newest, since = told, now
        return newest + now - since

    return now_s


async def ask_all(find: Find, board: Board, now_s: Callable[[], float]) -> None:
    """Ask whoever is found, for ever; members that start later are found as well."""
    asked: set[Path] = set()
    async with asyncio.TaskGroup() as tasks:
        while True:
            for path, node in find().items():
                if path not in asked:
                    asked.add(path)
                    tasks.create_task(_ask(path, Telling(node), board, now_s))
            await asyncio.sleep(LOOK_AROUND_S)


async def _ask(path: Path, telling: Telling, board: Board, now_s: Callable[[], float]) -> None:
    while True:
        try:
            told = await asyncio.to_thread(sockets.ask, path)
            board.log.extend(list(telling.answer(told, now_s())))
        except sockets.NoStatus as error:
            board.log.extend(telling.silence(str(error).removeprefix(f"{path}: "), now_s()))
        except (KeyError, TypeError, ValueError, AttributeError):
            why = "a member of another version answers there"
            board.log.extend(telling.silence(why, now_s()))
        await asyncio.sleep(ASK_EVERY_S)


def finder(wanted: Sequence[str]) -> tuple[str, Find]:
    """Who is meant by ``GROUP``, ``GROUP-ID`` or a socket's path: a title, and how to find them.

    Args:
        wanted: none: the one group that runs on this machine.

    Raises:
        BadConfig: there is nobody, or there are several groups.
    """
    paths = {Path(each) for each in wanted if "/" in each}
    names = [each for each in wanted if "/" not in each]

    def find() -> dict[Path, int]:
        return {path: _number(path) for path in paths} | {
            path: number
            for group, number, path in sockets.found()
            if not wanted or group in names or f"{group}-{number}" in names
        }

    there = list(sockets.found())
    groups = sorted({group for group, _, _ in there})
    for each in names:
        if not any(each in (group, f"{group}-{number}") for group, number, _ in there):
            others = f"there are: {', '.join(groups)}" if groups else "no member runs here"
            raise sockets.NoStatus(f"no member of {each} runs here; {others}")
    if not wanted and len(groups) != 1:
        what = f"several groups run here: {', '.join(groups)}" if groups else "no member runs here"
        raise BadConfig(f"{what}; say --attach GROUP, or --file HISTORY")
    told = [f"{answer['group']}" for answer in map(sockets.ask, sorted(paths))]
    return ", ".join(dict.fromkeys([*told, *(names if wanted else groups)])), find


def _number(path: Path) -> int:
    """A member's number in its socket's name; 0 until it says it itself."""
    number = path.name.removesuffix(sockets.SUFFIX).rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
