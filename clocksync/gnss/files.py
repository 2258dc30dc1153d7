"""RINEX files on disk: plain or compressed, opened as lines.  [I/O]

gzip, bzip2 and xz stream. Hatanaka's compression (``.crx``, ``.YYd``) and ``.Z`` are undone in
memory by the hatanaka package, of the extra ``gnss``.
"""

import bz2
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import IO, Protocol

from clocksync.gnss.rinex_text import BadRinex, Lines
from clocksync.runtime.errors import MissingExtra

_BROKEN = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError)
_CHUNK = 16_384
_LINE_MAX = 5_000
"""More than any line of RINEX: a file without line ends is not read into memory."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes) -> bytes: ...


def _gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=31)


_STREAMING: dict[bytes, Callable[[], _Decompressor]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
}


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """The lines of a file, whatever it is compressed with.

    Raises:
        OSError: it cannot be read.
        MissingExtra: it takes a package that is not installed.
        BadRinex: it claims a compression that it does not hold.
    """
    with path.open("rb") as file:
        chunks = _decompressed(path, file)
        try:
            head = next(chunks, b"")
        except _BROKEN as error:
            raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None
        chunks = chain((head,), chunks)
        if b"CRINEX VERS" in head[:80]:
            chunks = iter((_from_hatanaka(path, chunks),))
        yield Lines.of(str(path), _lines(path, chunks))


def _decompressed(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    magic = file.read(6)
    file.seek(0)
    for start, make in _STREAMING.items():
        if magic.startswith(start):
            return _stream(file, make)
    if magic.startswith(b"PK\x03\x04"):
        member = _only_member(path, file)
        return iter(lambda: member.read(_CHUNK), b"")
    if magic.startswith(b"\x1f\x9d"):
        return iter((_from_compress(path, file.read()),))
    return iter(lambda: file.read(_CHUNK), b"")


def _stream(file: IO[bytes], make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Decompress piece by piece, member after member; what comes before a cut is not lost."""
    decompressor, whole = make(), False
    while chunk := file.read(_CHUNK):
        while chunk:
            if decompressor.eof:
                decompressor = make()
            try:
                data = decompressor.decompress(chunk)
            except (zlib.error, lzma.LZMAError, OSError):
                if whole:  # padding after the last member
                    return
                raise
            if data:
                yield data
            whole = decompressor.eof
            chunk = decompressor.unused_data if whole else b""
    if not whole:
        raise EOFError("the compressed data end in the middle")


def _only_member(path: Path, file: IO[bytes]) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise BadRinex(f"{path}: an archive of {len(names)} files; unpack it first")
        return archive.open(names[0])
    except _BROKEN as error:
        raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None


def _from_compress(path: Path, data: bytes) -> bytes:
    hatanaka = _hatanaka(path)
    try:
        return bytes(hatanaka.decompress(data))
    except Exception as error:
        raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None


def _from_hatanaka(path: Path, chunks: Iterable[bytes]) -> bytes:
    hatanaka = _hatanaka(path)
    try:
        return bytes(hatanaka.crx2rnx(b"".join(chunks)))
    except Exception as error:
        raise BadRinex(f"{path}: cannot be decompressed: {_words(error)}") from None


def _hatanaka(path: Path) -> ModuleType:
    try:
        return import_module("hatanaka")
    except ImportError:
        raise MissingExtra(f"hatanaka, which decompresses {path.name},", "gnss") from None


def _lines(path: Path, chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    try:
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("latin-1")
            if len(rest) > _LINE_MAX:
                break
    except _BROKEN as error:
        raise BadRinex(f"{path}: ends early: {_words(error)}") from None
    if rest:
        yield rest.decode("latin-1")


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
