"""What the documentation shows is what its commands print; and the tool that says so can see."""

import sys
from pathlib import Path

import pytest

from tests.namespaces import stop_test, unavailable
from tools.run_docs import all_pages, main, marked_pages, play
from tools.stage_hosts import NoHosts
from tools.transcripts import (
    BadPage,
    blocks,
    hosts,
    matches,
    pictures,
    plain,
    rewritten,
    unmarked,
)

ROOT = Path(__file__).parents[2]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="kernel stamps are Linux's")


@on_linux
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", marked_pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_shows_what_its_commands_print(page):
    try:
        played = play(page)
    except NoHosts as error:
        stop_test(str(error))
    told = [f"{page.name}:{each.line}: {each.told}" for each in played.differences]
    assert told == [], "\n".join(told)


def test_every_command_of_the_documentation_is_run_or_says_why_not():
    left = {page.name: unmarked(page.read_text(encoding="utf-8")) for page in all_pages()}
    assert {name: count for name, count in left.items() if count} == {}
    assert main(["--unmarked"]) == 0


def test_a_command_that_no_mark_speaks_of_is_counted():
    shown = "```console\n$ a\nclient$ b\n```\n\n    $ c\n"
    assert unmarked(shown) == 3
    assert unmarked(f"<!-- not run: it takes a day -->\n{shown}") == 1
    assert unmarked(f"<!-- run -->\n{shown.replace('client', '')}") == 1


def test_the_tutorials_and_guides_are_run():
    names = {page.relative_to(ROOT).as_posix() for page in marked_pages()}
    for folder, count in (("tutorials", 3), ("how-to", 6)):
        assert sum(name.startswith(f"docs/{folder}/") for name in names) == count


def page_with(folder, *lines):
    page = folder / "page.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def differences(folder, *lines):
    return [each.told for each in play(page_with(folder, *lines)).differences]


def test_another_output_is_a_difference_and_the_right_one_is_none(tmp_path):
    right = ("<!-- run -->", "```console", "$ echo one; echo two", "one", "two", "```")
    assert differences(tmp_path, *right) == []
    [told] = differences(tmp_path, *(line.replace("$ echo one", "$ echo 1") for line in right))
    assert "printed something else" in told
    assert "    1\n    two" in told


def test_an_exit_code_that_was_not_expected_is_a_difference(tmp_path):
    [told] = differences(tmp_path, "<!-- run -->", "```console", "$ (exit 3)", "```")
    assert "exit code 3, not 0" in told
    assert differences(tmp_path, "<!-- run: exit=3 -->", "```console", "$ (exit 3)", "```") == []


def test_what_one_block_makes_the_next_one_has(tmp_path):
    lines = ("<!-- file: a.txt -->", "```text", "hello", "```", "")
    more = ("<!-- run -->", "```console", "$ x=$(cat a.txt)", "$ echo \\", "> $x", "hello", "```")
    assert differences(tmp_path, *lines, *more) == []


def test_a_command_in_another_terminal_goes_on_until_it_is_interrupted(tmp_path):
    program = "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\n"
    ended = "except KeyboardInterrupt:\n    print('down')"
    lines = ("<!-- file: p.py -->", "```python", program + ended, "```", "")
    start = ("<!-- run: in=other -->", "```console", "$ python p.py", "up", "```", "")
    stop = ("<!-- run: in=other -->", "```console", "^C", "down", "```")
    assert differences(tmp_path, *lines, *start, *stop) == []


def test_a_block_that_begins_with_dots_goes_on_with_what_is_printed(tmp_path):
    start = (
        "<!-- run: in=other -->",
        "```console",
        "$ echo one; read <pipe; echo two",
        "one",
        "```",
    )
    more = ("<!-- run -->", "```console", "$ echo >pipe", "```", "")
    later = ("<!-- run: in=other -->", "```console", "...", "two", "```")
    made = ("<!-- behind", "$ mkfifo pipe", "-->")
    assert differences(tmp_path, *made, *start, *more, *later) == []


def test_what_no_reader_sees_is_run_and_compared_like_the_rest(tmp_path):
    shown = ("<!-- run -->", "```console", "$ cat x", "hidden", "```")
    assert differences(tmp_path, "<!-- behind", "$ echo hidden > x", "-->", *shown) == []
    [told, _] = differences(tmp_path, "<!-- behind", "$ echo hidden", "-->", *shown)
    assert "printed something else" in told


def test_what_is_marked_as_not_run_is_not_run(tmp_path):
    lines = ("<!-- not run: it would end everything -->", "```console", "$ exit 3", "```")
    assert differences(tmp_path, *lines) == []
    [block] = blocks("\n".join(lines) + "\n")
    assert block.not_run == "it would end everything"


@on_linux
@pytest.mark.slow
def test_a_shell_on_a_host_knows_the_others_by_name_and_what_runs_there(tmp_path):
    if unavailable():
        stop_test(str(unavailable()))
    lines = ("<!-- hosts: ntp1:chronyd client -->", "<!-- run: on=client varies -->", "```console")
    command = "$ clocksync measure ntp1 --burst --json | grep verdict"
    shown = ('      "verdict": "truechimer",', "$ chronyc -h ntp1 -p 1 tracking | head -1; ls /run")
    end = ("506 Cannot talk to daemon", "hosts", "```")
    assert differences(tmp_path, *lines, command, *shown, *end) == []


def test_hosts_are_named_with_what_runs_on_them():
    assert hosts("<!-- hosts: a:chronyd+ptp4l b -->\n") == {"a": "chronyd+ptp4l", "b": ""}
    with pytest.raises(BadPage, match="'a' does not name one more host"):
        hosts("<!-- hosts: a a -->\n")
    with pytest.raises(BadPage, match="no hosts of the page: c"):
        blocks("<!-- hosts: a -->\n<!-- run: on=c -->\n```console\n$ :\n```\n")


def test_a_kept_picture_is_not_asked_of_the_commands():
    text = "<!-- kept: python -m tools.x -->\n![it](a.svg)\n\n![it](b.svg)\n"
    assert pictures(text) == ["b.svg"]


def test_what_is_repeated_may_come_right_later(tmp_path):
    command = "$ echo x >> log; grep -c x log"
    assert differences(tmp_path, "<!-- run: until -->", "```console", command, "3", "```") == []


def test_a_picture_that_no_command_draws_is_a_difference(tmp_path):
    [told] = differences(tmp_path, "![it](it.svg)", "", "<!-- run -->", "```console", "$ :", "```")
    assert told == "nothing draws it.svg"


def test_nothing_that_a_page_starts_outlives_it(tmp_path):
    command = "$ sleep 600 & echo $! > pid; cp pid " + str(tmp_path)
    assert differences(tmp_path, "<!-- run -->", "```console", command, "```") == []
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_writing_puts_what_came_into_the_page(tmp_path):
    page = page_with(
        tmp_path, "a", "<!-- run -->", "```console", "$ echo 1", "$ echo 2", "```", "b"
    )
    assert main([str(page), "--write"]) == 0
    assert "$ echo 1\n1\n$ echo 2\n2\n```\nb\n" in page.read_text()
    assert main([str(page)]) == 0


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("<!-- run: often -->", "```console", "$ :", "```"), "'often' means nothing"),
        (("<!-- run: in -->", "```console", "$ :", "```"), "'in' means nothing"),
        (("<!-- run -->", "```console", "hello", "```"), "begins with"),
        (("<!-- run -->", "", "```console", "$ :", "```"), "1 marks, and 0 blocks"),
        (("<!-- file: ../a -->", "```text", "```"), "without a folder"),
        (("<!-- not run -->", "```console", "$ :", "```"), "say in words why"),
    ],
)
def test_a_mark_that_means_nothing_is_refused(lines, why):
    with pytest.raises(BadPage, match=why):
        blocks("\n".join(lines) + "\n")


def test_only_the_form_is_compared_where_values_vary():
    shown = ("ntp1  412 us slow ± 98.3 us", "R5.1.91149898 key (check value 3b94e2b8)")
    came = ["ntp1   1.4 ms slow ±  7 us", "R9.1.7717a423 key (check value 029e4bb1)"]
    assert matches(shown, came, varies=True)
    assert not matches(shown, came, varies=False)
    assert not matches(shown, [came[0].replace("slow", "fast"), came[1]], varies=True)
    assert not matches(shown, came[:1], varies=True)


def test_words_with_digits_in_them_are_compared():
    assert plain("ntp1 and D2", varies=True) == "ntp1 and D2"


def test_an_ellipsis_stands_for_any_lines_also_none():
    assert matches(("a", "..."), ["a"], varies=False)
    assert matches(("a", "...", "z"), ["a", "b", "c", "z"], varies=False)
    assert not matches(("a", "...", "z"), ["a", "b", "c"], varies=False)


def test_lines_that_may_come_in_any_order_must_still_all_come():
    assert matches(("a", "b"), ["b", "a"], varies=False, any_order=True)
    assert not matches(("a", "b"), ["b", "b"], varies=False, any_order=True)
    assert not matches(("a", "b"), ["b", "a", "c"], varies=False, any_order=True)
    assert matches(("a", "b", "..."), ["b", "c", "a"], varies=False, any_order=True)
    assert not matches(("a", "b", "..."), ["b", "c"], varies=False, any_order=True)


def test_a_rewritten_page_keeps_what_is_around_a_block():
    text = "x\n<!-- run -->\n```console\n$ a\nold\n```\ny\n"
    [block] = blocks(text)
    assert rewritten(text, {block.span: [(block.steps[0], ["new"])]}) == text.replace("old", "new")
