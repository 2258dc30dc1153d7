"""Key files and ``vsync key``: who may read them, what is in them, and how they rotate."""

import os
import stat
from pathlib import Path

import pytest

from clocksync.security import keys
from clocksync.security.keyring import KeyRing
from tests.clocksync.security.talk import Talk, ring
from tests.commands import Command, command

SECRET = "ab" * 32
LINE = f"1 used {SECRET}\n"


vsync = command("vsync", "key")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "group.key"


def write(file: Path, text: str | bytes, mode: int = 0o600) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def secrets(file: Path) -> list[str]:
    return [key.secret.hex() for key in keys.read(file).keys]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_generated_file_is_its_owners_only_whatever_the_umask(
    vsync: Command, file: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        code, out, err = vsync("generate", file)
    finally:
        os.umask(before)
    assert (code, err) == (0, "")
    assert mode(file) == 0o600
    made = keys.read(file)
    assert (len(made.keys), made.used, made.sealing.id) == (1, 1, 1)
    assert out.splitlines() == [
        f"wrote {file}: key 1 (check value {made.sealing.check_value}), for its owner only"
        " (mode 0600)",
        "next: copy it to every member, over a channel that nobody else reads",
    ]
    assert made.sealing.secret.hex() not in out


def test_no_two_generated_keys_are_alike(vsync: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        vsync("generate", tmp_path / name)
    assert secrets(tmp_path / "a") != secrets(tmp_path / "b")


def test_nothing_is_overwritten(vsync: Command, file: Path, tmp_path: Path) -> None:
    write(file, "something dear\n", 0o644)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for name in (file, link, tmp_path):
        code, out, err = vsync("generate", name)
        assert (code, out) == (2, "")
        assert err == (
            f"vsync: {name} is there already, and no key is overwritten: name another file\n"
        )
    assert file.read_text() == "something dear\n"
    assert not (tmp_path / "nowhere").exists()


def test_a_group_lives_on_a_generated_file(vsync: Command, file: Path) -> None:
    vsync("generate", file)
    talk = Talk(1, 2, keys=keys.read(file)).acquainted()
    for _ in range(3):
        vsync("rotate", file)
        for number in (1, 2):
            talk[number].use(keys.read(file))
            assert talk.understands(1, 2)
            assert talk.understands(2, 1)


def test_a_rotation_has_three_steps_and_says_what_comes_next(vsync: Command, file: Path) -> None:
    vsync("generate", file)
    (old,) = secrets(file)
    file.chmod(0o400)
    told = []
    for _ in range(3):
        code, out, err = vsync("rotate", file)
        assert (code, err) == (0, "")
        assert mode(file) == 0o400, "the mode is kept"
        told.append((out.splitlines(), keys.read(file)))
    (first, one), (second, two), (third, three) = told
    new = one.keys[1]
    named = f"key 2 (check value {new.check_value})"
    assert first[0] == f"step 1 of 3: {named} is new and accepted; key 1 is still used"
    assert second[0] == f"step 2 of 3: {named} is used now; key 1 is still accepted"
    assert third[0] == f"step 3 of 3: {named} is the only one; the older key is gone"
    for lines in (first, second):
        assert lines[1:] == [
            "next: copy the file to every member and let each load it again",
            f"then, and not before all of them have key 2 so: vsync key rotate {file}",
        ]
    assert third[1:] == [
        "next: copy the file to every member and let each load it again; that is all"
    ]
    assert [(len(made.keys), made.used) for _, made in told] == [(2, 1), (2, 2), (1, 2)]
    assert secrets(file) == [new.secret.hex()] != [old]
    assert two.keys == one.keys
    assert three.keys == (new,)
    assert not any(secret in str(told) for secret in (old, new.secret.hex()))
    assert list(file.parent.iterdir()) == [file], "nothing is left beside it"


def test_show_tells_numbers_and_which_is_used_never_a_secret(vsync: Command, file: Path) -> None:
    write(file, f"# note\n\n7 accepted {SECRET}\r\n  8 used {'cd' * 32}  ")
    code, out, err = vsync("show", file)
    assert (code, err) == (0, "")
    older, newer = keys.read(file).keys
    assert out.splitlines() == [
        f"key 7 (check value {older.check_value}): accepted",
        f"key 8 (check value {newer.check_value}): used",
    ]
    assert keys.read(file).used == 8


def test_what_is_written_is_read_again(file: Path) -> None:
    made = ring(9, 200, used=200)
    file.touch(0o600)
    keys._replace(file, made)
    assert keys.read(file) == made


def test_a_link_to_a_key_file_stays_a_link(vsync: Command, file: Path, tmp_path: Path) -> None:
    vsync("generate", file)
    link = tmp_path / "link"
    link.symlink_to(file)
    vsync("rotate", link)
    assert link.is_symlink()
    assert len(secrets(file)) == 2


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o660, 0o644, 0o777, 0o610])
@pytest.mark.parametrize("command", ["show", "rotate"])
def test_a_file_open_to_others_is_refused(
    vsync: Command, file: Path, command: str, bits: int
) -> None:
    write(file, LINE, bits)
    code, out, err = vsync(command, file)
    assert (code, out) == (2, ""), "it was not looked at, so nothing is said of it"
    assert err == (
        f"vsync: {file} is open to others than its owner (mode {bits:04o}): chmod 600 {file}\n"
    )
    assert (file.read_text(), mode(file)) == (LINE, bits), "and left as it is"


def test_a_name_with_a_space_is_quoted_where_it_is_to_be_typed(
    vsync: Command, tmp_path: Path
) -> None:
    file = tmp_path / "my key"
    write(file, LINE, 0o644)
    assert vsync("show", file)[2].endswith(f": chmod 600 '{file}'\n")
    file.chmod(0o600)
    assert vsync("rotate", file)[1].endswith(f"vsync key rotate '{file}'\n")


BAD = [
    ("empty", "", "holds no key"),
    ("only comments", "# nothing\n\n", "holds no key"),
    ("text", "hello\n", "line 1 is no key"),
    ("no state", f"1 {SECRET}\n", "line 1 is no key"),
    ("another state", f"1 spare {SECRET}\n", "line 1 is no key"),
    ("a short secret", f"1 used {SECRET[:-2]}\n", "line 1 is no key"),
    ("a long secret", f"1 used {SECRET}00\n", "line 1 is no key"),
    ("no hexadecimal", f"1 used {'xy' * 32}\n", "line 1 is no key"),
    ("a large number", f"256 used {SECRET}\n", "line 1 is no key"),
    ("a negative number", f"-1 used {SECRET}\n", "line 1 is no key"),
    ("a number of another script", f"\u0661 used {SECRET}\n", "line 1 is no key"),
    ("rubbish behind", LINE + "\n# fine\nrest\n", "line 4 is no key"),
    ("bytes", b"\xff\xfe\0" + LINE.encode(), "line 1 is no key"),
    ("three keys", LINE + f"2 accepted {SECRET}\n3 accepted {SECRET}\n", "not 3"),
    ("two of one number", LINE + f"1 accepted {SECRET}\n", "two keys have the number 1"),
    ("none used", f"1 accepted {SECRET}\n", "0 keys are used instead of one"),
    ("two used", LINE + f"2 used {SECRET}\n", "2 keys are used instead of one"),
    ("too long", LINE + "#" * 5000, "is too long for a key file"),
]


@pytest.mark.parametrize(("what", "text", "says"), BAD, ids=[what for what, *_ in BAD])
@pytest.mark.parametrize("command", ["show", "rotate"])
def test_a_bad_file_is_one_line_and_a_one_and_no_secret(
    vsync: Command, file: Path, command: str, what: str, text: str | bytes, says: str
) -> None:
    write(file, text)
    before = file.read_bytes()
    code, out, err = vsync(command, file)
    assert (code, out) == (1, "")
    assert err.startswith(f"vsync: {file}")
    assert says in err
    assert err.endswith(": copy it from another member, or from a backup\n")
    assert len(err.splitlines()) == 1
    assert SECRET[:8] not in err
    assert file.read_bytes() == before


def test_what_is_no_file_is_refused_and_nothing_waits(vsync: Command, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for name in (pipe, tmp_path):
        for verb in ("show", "rotate"):
            code, out, err = vsync(verb, name)
            assert (code, out) == (2, "")
            assert f"{name} is no regular file" in err
            assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "no/such/file"), "vsync: no/such/file: No such file or directory"),
        (("rotate", "no/such/file"), "no/such/file: No such file or directory"),
        (("generate", "no/such/file"), "vsync: no/such/file: No such file or directory"),
        (("show",), "Missing argument"),
        (("lose", "x"), "No such command 'lose'"),
        (("show", "a", "b"), "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line_and_a_two(vsync: Command, arguments, says) -> None:
    code, out, err = vsync(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("where", [(os, "fsync", full), (Path, "replace", full)])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_beside_it(
    vsync: Command, file: Path, monkeypatch: pytest.MonkeyPatch, where: tuple[object, str, object]
) -> None:
    write(file, LINE)
    monkeypatch.setattr(*where)
    assert vsync("rotate", file) == (2, "", f"vsync: {file}: No space left on device\n")
    assert file.read_text() == LINE
    assert list(file.parent.iterdir()) == [file]


def test_a_disk_that_fails_leaves_no_half_of_a_new_file(
    vsync: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", full)
    assert vsync("generate", file) == (2, "", f"vsync: {file}: No space left on device\n")
    assert not file.exists()


def test_the_file_is_what_its_header_says(file: Path) -> None:
    made: KeyRing = keys.generate(file)
    lines = file.read_text(encoding="ascii").splitlines()
    assert [line[0] for line in lines] == ["#", "#", "#", "1"]
    assert lines[-1] == f"1 used {made.sealing.secret.hex()}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_rotated_file_keeps_its_owner(vsync: Command, file: Path) -> None:
    write(file, LINE)
    os.chown(file, 12345, 54321)
    vsync("rotate", file)
    assert (file.stat().st_uid, file.stat().st_gid, mode(file)) == (12345, 54321, 0o600)
