"""The log of a watch as a file: complete after every line, reopened for rotation.  [I/O]"""

from pathlib import Path
from typing import TextIO

from clocksync.runtime.errors import BadConfig
from clocksync.watching.core import Report
from clocksync.watching.log import csv_header, csv_lines, json_lines


class LogFile:
    """Appends reports to `path`: CSV where its name ends in ``.csv``, else lines of JSON.

    Raises:
        BadConfig: it cannot be written to, or is a CSV of other columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_csv = path.suffix.lower() == ".csv"
        self._file = self._open()

    def write(self, report: Report) -> None:
        """Append all lines of one report.

        Raises:
            BadConfig: the file system does not take them.
        """
        lines = csv_lines(report) if self._is_csv else json_lines(report)
        try:
            for line in lines:
                self._file.write(line + "\n")
        except OSError as error:
            raise BadConfig(f"{self.path} cannot be written: {error.strerror}") from None

    def reopen(self) -> None:
        """Open the path anew, after the file was moved away (logrotate, SIGHUP)."""
        self.close()
        self._file = self._open()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> TextIO:
        try:
            if self._is_csv and self.path.is_file() and self.path.stat().st_size:
                with self.path.open(encoding="utf-8", errors="replace") as file:
                    if file.readline().rstrip("\n") != csv_header():
                        raise BadConfig(f"{self.path} is no log of a watch: it has other columns")
            file = self.path.open("a", encoding="utf-8", buffering=1, newline="\n")
            if self._is_csv and not file.tell():
                file.write(csv_header() + "\n")
        except OSError as error:
            raise BadConfig(f"{self.path} cannot be written: {error.strerror}") from None
        return file
