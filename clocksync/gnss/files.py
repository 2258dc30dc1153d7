"""RINEX files on disk: plain or compressed, opened as lines.  [I/O]

gzip, bzip2 and xz stream. Hatanaka's compression (``.crx``, ``.YYd``) and ``.Z`` are undone in
memory by the hatanaka package, of the extra ``gnss``.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO

from clocksync.gnss.rinex_text import BadRinex, Lines
from clocksync.runtime.errors import MissingExtra

_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, OSError)
_LINE_MAX = 5_000
"""More than any line of RINEX: a file without line ends is not read into memory."""
_HEAD = 256


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """The lines of a file, whatever it is compressed with.

    Raises:
        OSError: it cannot be read.
        MissingExtra: it takes a package that is not installed.
        BadRinex: it claims a compression that it does not hold.
    """
    with path.open("rb") as file:
        stream = _decompressed(path, file)
        try:
            head = stream.peek(_HEAD)[:_HEAD]
        except _BROKEN as error:
            raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None
        if b"CRINEX VERS" in head[:80]:
            yield Lines.of(str(path), io.StringIO(_from_hatanaka(path, stream)))
        else:
            yield Lines.of(str(path), _lines(path, stream))


def _decompressed(path: Path, file: IO[bytes]) -> io.BufferedReader:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return io.BufferedReader(bz2.BZ2File(file))
    if magic.startswith(b"\xfd7zXZ\0"):
        return io.BufferedReader(lzma.LZMAFile(file))
    if magic.startswith(b"PK\x03\x04"):
        return io.BufferedReader(_only_member(path, file))
    if magic.startswith(b"\x1f\x9d"):
        return io.BufferedReader(io.BytesIO(_from_compress(path, file.read())))
    return io.BufferedReader(file)  # type: ignore[arg-type]  # reads from any reader


def _only_member(path: Path, file: IO[bytes]) -> zipfile.ZipExtFile:
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise BadRinex(f"{path}: an archive of {len(names)} files; unpack it first")
        member = archive.open(names[0])
        assert isinstance(member, zipfile.ZipExtFile)
        return member
    except _BROKEN as error:
        raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None


def _from_compress(path: Path, data: bytes) -> bytes:
    hatanaka = _hatanaka(path)
    try:
        return bytes(hatanaka.decompress(data))
    except Exception as error:
        raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None


def _from_hatanaka(path: Path, stream: IO[bytes]) -> str:
    hatanaka = _hatanaka(path)
    try:
        return bytes(hatanaka.crx2rnx(stream.read())).decode("latin-1")
    except Exception as error:
        raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None


def _hatanaka(path: Path) -> ModuleType:
    try:
        return import_module("hatanaka")
    except ImportError:
        raise MissingExtra(f"hatanaka, which decompresses {path.name},", "gnss") from None


def _lines(path: Path, stream: IO[bytes]) -> Iterator[str]:
    try:
        while line := stream.readline(_LINE_MAX):
            yield line.decode("latin-1")
    except _BROKEN as error:
        raise BadRinex(f"{path}: ends early: {_words(error)}") from None


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
