"""What a page of documentation says that commands print: found, compared, and written anew.

A block of code is a transcript if a comment that no reader sees stands before it::

    <!-- run -->
    ```console
    $ vsync simulate --seed 8 > h.jsonl
    ```

Words after the colon in ``<!-- run: varies until -->`` say more:

=========== ======================================================================================
``varies``   numbers, units, times, digests and bars may be others than those shown
``until``    the commands are repeated until they print what is shown, for a while
``in=NAME``  in another terminal, whose last command may go on (``^C`` ends it)
``on=HOST``  on one of the page's hosts
``exit=N``   the last command ends with this code, not with 0 (before ``$ echo $?`` any may come)
``anyorder`` the lines may come in another order
=========== ======================================================================================

A block that begins with ``...`` goes on with what the last command of its terminal prints. A line
``...`` elsewhere stands for any lines.

``<!-- file: NAME -->`` says that the block is the content of a file, and ``<!-- not run: WHY -->``
that nothing runs it. ``<!-- behind: WORDS`` begins a transcript that no reader sees: the comment's
other lines are it. ``<!-- hosts: ntp1:chronyd client -->`` makes hosts of those names, with the
addresses 10.77.0.1, .2 and so on, joined by a switch; behind the colon is what runs there already.

A picture in the page's own folder is drawn by the page's commands, under that name, unless
``<!-- kept: HOW IT IS DRAWN -->`` stands before it. :mod:`tools.run_docs` runs all this.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

MARK = re.compile(
    r"^<!-- (?P<what>run|file|not run)(?:: (?P<words>[^>\n]*?))? -->\n"
    r"^(?P<fence>```+) ?[a-z]*\n(?P<body>.*?)^(?P=fence)$"
    r"|^<!-- behind(?:: (?P<hidden_words>[^>\n]*?))?\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
ANY_MARK = re.compile(r"^<!-- (?:run|file|not run|behind)\b", re.MULTILINE)
HOSTS = re.compile(r"^<!-- hosts: (?P<words>[^>\n]*?) -->$", re.MULTILINE)
HOST = re.compile(r"(?P<name>[a-z][a-z0-9-]*)(?::(?P<daemon>[a-z0-9+-]+))?")
PICTURE = re.compile(
    r"(?P<kept>^<!-- kept: [^>\n]+ -->\n)?!\[[^\]]*\]\((?P<name>[\w-]+\.svg)\)", re.MULTILINE
)
ANY = re.compile(r"^ {0,8}[\w@-]*\$ \S", re.MULTILINE)
PROMPT, MORE, INTERRUPT = "$ ", "> ", "^C"

# What differs from run to run, and what stands for it in a comparison.
VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b[RT]?\d+\.\d+\.[0-9a-f]{6,}(?:\.\d+)?\b"), "RING"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{6}\.fffe\.[0-9a-f]{6}\b"), "IDENTITY"),
    (re.compile(r"[▁▂▃▄▅▆▇█·●○]+"), "BAR"),
    (re.compile(r"(?<![\w.])[+-]?\d[\d.]*(?:ns|us|ms)\b"), "NUMBER UNIT"),
    (re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])"), "NUMBER"),
    (re.compile(r"NUMBER(?: ?)(?:ns|us|ms|s|min|h)\b"), "NUMBER UNIT"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"\s+"), " "),
)
ELLIPSIS = "..."
FLAGS, VALUED = {"varies", "until", "anyorder"}, {"in", "on", "exit"}


@dataclass(frozen=True, slots=True)
class Step:
    """A command as it is typed, and what is shown below it."""

    command: str
    shown: tuple[str, ...]
    typed: tuple[str, ...]
    """The lines of the page that the command was read from."""


@dataclass(frozen=True, slots=True)
class Block:
    """A transcript, or a file."""

    line: int
    span: tuple[int, int]
    """Where its body is in the page."""
    file: str | None = None
    content: str = ""
    steps: tuple[Step, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    not_run: str = ""
    """Why, if nothing runs it."""

    @property
    def terminal(self) -> tuple[str, str]:
        """The host and the name of the terminal it is typed into; both may be empty."""
        return self.options.get("on", ""), self.options.get("in", "")

    @property
    def varies(self) -> bool:
        """Whether only the form of what is printed is promised."""
        return "varies" in self.options

    @property
    def exit_code(self) -> int:
        """What the last command ends with."""
        return int(self.options.get("exit", "0"))


class BadPage(Exception):
    """A mark that cannot be understood; the message says where."""


def blocks(text: str) -> list[Block]:
    """All that is marked in a page, in order.

    Raises:
        BadPage: a mark has words that mean nothing, or its block does not begin with a command.
    """
    found = []
    for each in MARK.finditer(text):
        name = "body" if each["what"] else "hidden"
        body, span = each[name], each.span(name)
        line = text.count("\n", 0, span[0]) + 1
        words = (each["words"] or each["hidden_words"] or "").split()
        if each["what"] == "file":
            if len(words) != 1 or "/" in words[0]:
                raise BadPage(f"line {line}: a file has one name, without a folder")
            found.append(Block(line, span, words[0], body))
        elif each["what"] == "not run":
            if len(words) < 3:
                raise BadPage(f"line {line}: say in words why it is not run")
            found.append(Block(line, span, content=body, not_run=" ".join(words)))
        else:
            steps = _steps(body, line)
            found.append(Block(line, span, steps=steps, options=_options(words, line)))
    marks = len(ANY_MARK.findall(text))
    if marks != len(found):
        raise BadPage(f"{marks} marks, and {len(found)} blocks right below one")
    unknown = {each.options["on"] for each in found if "on" in each.options} - set(hosts(text))
    if unknown:
        raise BadPage(f"no hosts of the page: {', '.join(sorted(unknown))}")
    return found


def hosts(text: str) -> dict[str, str]:
    """The hosts of a page, in order, and what runs on each already, or an empty string.

    Raises:
        BadPage: they are not named as hosts are.
    """
    found: dict[str, str] = {}
    for mark in HOSTS.finditer(text):
        for word in mark["words"].split():
            named = HOST.fullmatch(word)
            if named is None or named["name"] in found:
                raise BadPage(f"{word!r} does not name one more host")
            found[named["name"]] = named["daemon"] or ""
    return found


def _options(words: list[str], line: int) -> dict[str, str]:
    options = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in FLAGS | VALUED or bool(value) != (name in VALUED):
            known = ", ".join((*sorted(FLAGS), *(f"{each}=..." for each in sorted(VALUED))))
            raise BadPage(f"line {line}: {word!r} means nothing: {known}")
        options[name] = value
    return options


def _steps(body: str, line: int) -> tuple[Step, ...]:
    lines = body.splitlines()
    starts = [
        n
        for n, each in enumerate(lines)
        if each.startswith(PROMPT) or each == INTERRUPT or (n == 0 and each == ELLIPSIS)
    ]
    if not starts or starts[0]:
        raise BadPage(f"line {line}: a transcript begins with {PROMPT!r}")
    steps = []
    for start, end in pairwise([*starts, len(lines)]):
        below = start + 1
        while below < end and lines[below - 1].endswith("\\") and lines[below].startswith(MORE):
            below += 1
        typed = lines[start:below]
        command = "\n".join([typed[0].removeprefix(PROMPT), *(t[len(MORE) :] for t in typed[1:])])
        steps.append(Step(command, tuple(lines[below:end]), tuple(typed)))
    return tuple(steps)


def plain(line: str, varies: bool) -> str:
    """A line as it is compared: without what varies, if that may.

    >>> plain("ntp1   412 us slow  ± 98.3 us", True)
    'ntp1 NUMBER UNIT slow ± NUMBER UNIT'
    """
    if not varies:
        return line.rstrip()
    for pattern, stand_in in VOLATILE:
        line = pattern.sub(stand_in, line)
    return line.strip()


def matches(
    shown: tuple[str, ...], printed: list[str], varies: bool, any_order: bool = False
) -> bool:
    """Whether what was printed is what a page shows; empty lines do not count.

    >>> matches(("a", "...", "c"), ["a", "b", "b", "c"], False)
    True
    """
    wanted = [plain(line, varies) for line in shown if line.strip()]
    got = [plain(line, varies) for line in printed if line.strip()]
    if any_order:
        others = Counter(got) - Counter(wanted)
        missing = Counter(wanted) - Counter(got)
        return set(missing) == {ELLIPSIS} or not (missing or others)
    pattern = "".join(
        r"(?:.*\n)*" if line == ELLIPSIS else re.escape(line) + r"\n" for line in wanted
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


def rewritten(text: str, news: dict[tuple[int, int], list[tuple[Step, list[str]]]]) -> str:
    """The page with the bodies of some blocks replaced by what was printed."""
    for (start, end), steps in sorted(news.items(), reverse=True):
        lines = [line for step, printed in steps for line in (*step.typed, *printed)]
        text = text[:start] + "".join(f"{line}\n" for line in lines) + text[end:]
    return text


def pictures(text: str) -> list[str]:
    """The pictures beside a page that its commands draw: those it shows, but for kept ones."""
    return [found["name"] for found in PICTURE.finditer(text) if not found["kept"]]


def unmarked(text: str) -> int:
    """How many commands a page shows that nothing runs, and no mark says why."""
    marked = sum(len(ANY.findall(text[slice(*block.span)])) for block in blocks(text))
    return len(ANY.findall(text)) - marked
