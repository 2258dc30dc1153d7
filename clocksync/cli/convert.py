"""``clocksync convert TIME...``: one time in all scales.  [I/O]

A damaged leap second file, a time that does not exist and one whose leap seconds are not known yet
are each one line on standard error.
"""

import csv as csv_module
import json as json_module
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options

if TYPE_CHECKING:
    from clocksync.scales.conversion import Conversion, Value
    from clocksync.scales.reading import Reader, Scale
    from clocksync.scales.sources import Leaps

_SCALE_WIDTH, _TEXT_WIDTH = 7, 30


def convert(
    times: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TIME]...",
            help="Such as 2016-12-31T23:59:60.5Z, now, 1483228800.5 (POSIX), "
            "tai:2017-01-01T00:00:36.5, gps:1930:17.5 (week:seconds), ntp:0xdc12c50080000000, "
            "ntp:1:0 (era:seconds), smeared:1483228799.75. - or none reads lines from standard "
            "input.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            "-t",
            metavar="SCALE,...",
            help="Scales to tell it in: utc, tai, gps, posix, ntp, smeared.  [default: all]",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            "-f",
            metavar="SCALE",
            help="Scale of times that name none.  [default: utc for dates, posix for numbers]",
            show_default=False,
        ),
    ] = None,
    leap_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Take leap seconds from this leap-seconds.list, tzdata leapseconds or TZif file.  "
            "[default: the one found that is valid longest]",
            show_default=False,
        ),
    ] = None,
    allow_expired: Annotated[
        bool,
        typer.Option(
            "--allow-expired", help="Do not fail where leap seconds are not known: assume none."
        ),
    ] = False,
    pivot: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="NTP eras and cut GPS weeks are chosen nearest to this.  [default: now]",
            show_default=False,
        ),
    ] = None,
    era: Annotated[
        int | None,
        typer.Option(metavar="N", help="Era of NTP timestamps, instead of the nearest."),
    ] = None,
    week_bits: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            min=1,
            max=16,
            help="GPS weeks are cut to this many bits, as broadcast: 10 (or 13 in CNAV).",
        ),
    ] = None,
    leaps: Annotated[
        bool, typer.Option("--leaps", help="Show the leap seconds and where they come from.")
    ] = False,
    json: options.Json = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, a line for each time that a value may mean.")
    ] = False,
) -> None:
    """Convert times between UTC, TAI, GPS, POSIX, NTP and smeared UTC, exact to the nanosecond.

    A leap second has its 61st second in UTC; where a POSIX or NTP number means two times, both are
    given. Negative numbers need their scale in front: posix:-14182940.

    Exits with 0 if all is exact; 1 if a value rests on leap seconds that nobody knows yet (it is
    given, as if none came), or a scale named by --to has no such time; 2 if a time does not exist
    or is none, or the leap second file is damaged.
    """
    from clocksync.runtime.clocks import SystemClock
    from clocksync.runtime.errors import BadConfig
    from clocksync.scales.reading import Reader, Scale, parse_scale
    from clocksync.scales.sources import Leaps, find_leaps, read_leap_file

    if json and csv:
        raise BadConfig("--json and --csv exclude each other")
    if leaps and csv:
        raise BadConfig("--leaps and --csv exclude each other")
    if leap_file is None:
        found = find_leaps()
    else:
        table = read_leap_file(leap_file)
        found = Leaps(table, (table,))
    now_ns = SystemClock().read()
    names = [name for each in to or [] for name in each.split(",") if name.strip()]
    scales = tuple(dict.fromkeys(parse_scale(name) for name in names)) or tuple(Scale)
    reader = Reader(
        table=found.table,
        now_ns=now_ns,
        pivot_ns=None if pivot is None else _pivot(pivot, found, now_ns),
        scale=None if source is None else parse_scale(source),
        era=era,
        week_bits=week_bits,
    )
    if not times and not leaps and sys.stdin is not None and sys.stdin.isatty():
        raise BadConfig("name a time, for example: clocksync convert now")
    form = "json" if json else "csv" if csv else "text"
    run = _Run(reader, found, scales, bool(names), allow_expired, form)
    if leaps and not json:
        _print_leaps(found, now_ns)
    if times or not leaps:
        run.convert(_lines(times or ["-"]))
    run.finish()
    raise typer.Exit(run.code)


def _pivot(text: str, found: "Leaps", now_ns: int) -> int:
    from clocksync.runtime.errors import BadConfig
    from clocksync.scales.civil import NoSuchTime
    from clocksync.scales.reading import Reader

    try:
        moment = Reader(table=found.table, now_ns=now_ns).read(text).moments[0]
    except NoSuchTime as error:
        raise BadConfig(f"--pivot {error}") from None
    if moment.utc is None:
        raise BadConfig(f"--pivot {text}: before 1972 write it in UTC")
    return moment.utc.posix_ns


def _lines(times: Iterable[str]) -> Iterator[str]:
    """The values one by one; those of standard input without blank lines and comments."""
    for text in times:
        if text != "-":
            yield text
            continue
        for line in sys.stdin or ():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


class _Run:
    """Converts one value after the other, prints each at once unless one JSON document is to come,
    and keeps the exit code."""

    def __init__(
        self,
        reader: "Reader",
        found: "Leaps",
        scales: "tuple[Scale, ...]",
        named: bool,
        allow_expired: bool,
        form: str,
    ) -> None:
        self.code = 0
        self._reader, self._found, self._scales = reader, found, scales
        self._named, self._allow_expired, self._form = named, allow_expired, form
        self._documents: list[dict[str, object]] = []
        self._begun = self._uncertain = False

    def convert(self, lines: Iterable[str]) -> None:
        from clocksync.scales.civil import NoSuchTime
        from clocksync.scales.conversion import Conversion, failed_document

        if self._form == "csv":
            self._write(["input", "from", "candidate", "candidates", *self._scales, "certain"])
        for text in lines:
            try:
                reading = self._reader.read(text)
            except NoSuchTime as error:
                self._say(str(error))
                self.code = 2
                if self._form == "json":
                    self._documents.append(failed_document(text, str(error)))
                continue
            conversion = Conversion.of(self._found.table, reading, self._scales)
            if not conversion.is_certain:
                self._uncertain = True
            if self._named and not conversion.is_complete:
                self.code = max(self.code, 1)
            match self._form:
                case "json":
                    self._documents.append(conversion.to_document())
                case "csv":
                    self._print_csv(conversion)
                case _:
                    self._print(conversion)

    def finish(self) -> None:
        """Say what is not well with the leap seconds, and print what was kept for the end."""
        from clocksync.scales.conversion import SCHEMA, leaps_document

        table = self._found.table
        about = leaps_document(table, self._reader.now_ns)
        for words in self._found.cautions:
            self._say(f"caution: {words}")
        if self._uncertain:
            self._say(
                f"leap seconds after {about['known_until']} are not known to {table.source}: "
                "it is assumed that none comes"
            )
            if not self._allow_expired:
                self.code = max(self.code, 1)
        elif about["expired"]:
            self._say(
                f"caution: {table.source} expired on {about['known_until']}; "
                "what it says of earlier times stands"
            )
        if self._form == "json":
            document = {
                "schema": SCHEMA,
                "leap_seconds": {**about, "cautions": list(self._found.cautions)},
                "conversions": self._documents,
            }
            typer.echo(json_module.dumps(document, indent=2))

    def _say(self, line: str) -> None:
        typer.echo(f"clocksync: {line}", err=True)

    def _write(self, cells: Iterable[object]) -> None:
        csv_module.writer(sys.stdout, lineterminator="\n").writerow(cells)

    def _print_csv(self, conversion: "Conversion") -> None:
        reading, count = conversion.reading, len(conversion.values)
        for number, values in enumerate(conversion.values, 1):
            told = {value.scale: value.data["time"] for value in values}
            cells = [told.get(scale, "") for scale in self._scales]
            certain = "true" if all(value.certain for value in values) else "false"
            self._write([reading.text, reading.scale, number, count, *cells, certain])

    def _print(self, conversion: "Conversion") -> None:
        reading, count = conversion.reading, len(conversion.values)
        if self._begun:
            typer.echo()
        self._begun = True
        for number, (values, missing) in enumerate(
            zip(conversion.values, conversion.missing, strict=True), 1
        ):
            which = f" means {count} times; number {number}:" if count > 1 else ""
            title = f"{reading.text} ({reading.scale}){which}"
            typer.echo(("\n" if number > 1 else "") + typer.style(title, bold=True))
            told = {value.scale: _line(value) for value in values}
            told |= {scale: _columns(scale, "–", reason) for scale, reason in missing.items()}
            for scale in self._scales:
                typer.echo(told[scale])


def _line(value: "Value") -> str:
    return _columns(value.scale, value.text, value.remark)


def _columns(scale: "Scale", text: str, remark: str) -> str:
    return f"  {scale:{_SCALE_WIDTH}}  {text:{_TEXT_WIDTH}}  {remark}".rstrip()


def _print_leaps(found: "Leaps", now_ns: int) -> None:
    from clocksync.scales.civil import DAY, day_text
    from clocksync.scales.leaps import FIRST_OFFSET
    from clocksync.scales.outlook import leap_outlook

    offset = FIRST_OFFSET
    typer.echo(typer.style(f"{'leap second':31}  TAI - UTC after it", bold=True))
    typer.echo(f"{'(1972-01-01)':31}  {offset} s")
    for leap in found.table.leaps:
        offset += leap.change
        typer.echo(f"{leap!s:31}  {offset} s")
    typer.echo(f"\n{leap_outlook(found.table, now_ns)}\n")
    typer.echo(typer.style("known until  leap seconds  found in, best first", bold=True))
    for table in found.found:
        until = day_text(table.known_until_ns // DAY)
        typer.echo(f"{until}   {len(table.leaps):12}  {table.source}")
