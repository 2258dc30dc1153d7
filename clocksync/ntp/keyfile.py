"""Reading a file of symmetric keys from the disk.  [I/O]"""

import os
from pathlib import Path

from clocksync.ntp.keys import Dialect, KeySet, parse_keys
from clocksync.security.private_file import BadKeyFile, read_private

FILE_BYTES_MAX = 1 << 20


def read_keys(path: str | os.PathLike[str], dialect: Dialect = Dialect.AUTO) -> KeySet:
    """The keys in a file of chrony's or ntpsec's (:mod:`clocksync.ntp.keys`).

    Raises:
        BadConfig: others could read or change it, or it holds something else; one line, no secret.
        OSError: it cannot be read.
    """
    path = Path(path)
    text = read_private(path, FILE_BYTES_MAX, "name a file of keys")
    if len(text) > FILE_BYTES_MAX:
        raise BadKeyFile(f"{path} is too long for a file of keys: name another")
    return parse_keys(text, str(path), dialect)
