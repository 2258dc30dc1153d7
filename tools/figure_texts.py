"""What stands in README and the documentation of results: tables and sentences in Markdown.  [I/O]

Each function makes one region of :mod:`tools.figures`, out of the tables that benchmarks recorded.
None invents anything: a table, row or column that is not there is :class:`Missing`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Record, Sheet, read
from benchmarks.ring_tables import THREE

COUNTS = {1: "one core", 2: "two cores", 4: "four cores", 8: "eight cores", 16: "sixteen cores"}


class Missing(Exception):
    """There is no such result; the message says which."""


@dataclass(frozen=True)
class Book:
    """Results by the names of their benchmarks."""

    records: dict[str, Record]

    @classmethod
    def of(cls, folder: Path) -> "Book":
        """All that lie in a folder.

        Raises:
            ValueError: one of them holds something else.
        """
        found = (read(path) for path in sorted(folder.glob("*.json")))
        return cls({record.benchmark: record for record in found})

    def record(self, name: str) -> Record:
        if name not in self.records:
            raise Missing(f"no results of {name}")
        return self.records[name]

    def sheet(self, name: str, title: str = "") -> Sheet:
        """The first table whose title begins so."""
        for sheet in self.record(name).sheets:
            if sheet.title.startswith(title):
                return sheet
        raise Missing(f"{name} has no table {title!r}")

    def cell(self, name: str, title: str, row: Sequence[str], column: str) -> str:
        """Of the first row that begins so."""
        sheet = self.sheet(name, title)
        if column not in sheet.columns:
            raise Missing(f"{name}, {sheet.title}: no column {column!r}")
        for cells in sheet.rows:
            if cells[: len(row)] == list(row):
                return cells[sheet.columns.index(column)]
        raise Missing(f"{name}, {sheet.title}: no row {', '.join(row)}")

    def number(self, name: str, title: str, row: Sequence[str], column: str) -> float:
        """The same as a number."""
        text = self.cell(name, title, row, column)
        try:
            return float(text.replace(",", ""))
        except ValueError:
            raise Missing(f"{name}: {', '.join(row)}: {column} is {text!r}") from None


def rounded(value: float) -> str:
    """Three digits, and thousands above a million: more is noise."""
    digits = len(f"{abs(value):.0f}")
    return f"{round(value, max(-3, min(0, 3 - digits))):,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    told = ("|".join(f" {cell} " if cell else " " for cell in cells) for cells in lines)
    return "\n".join(f"|{cells}|" for cells in told)


def machine(book: Book, name: str) -> str:
    """What it ran on: ``two cores of an AMD EPYC, Linux 6.18, Python 3.11``."""
    known = book.record(name).machine
    cores, processor = int(known["processors"]), str(known["processor"])
    article = "an" if processor[:1] in "AEIO" else "a"
    count = COUNTS.get(cores, f"{cores} cores")
    system, python = (".".join(str(known[key]).split(".")[:2]) for key in ("system", "python"))
    return f"{count} of {article} {processor}, {system}, {python.replace('CPython', 'Python')}"


# README


def accuracy(book: Book) -> str:
    """Errors of clients, median / 95th percentile."""
    chrony = str(book.record("accuracy").machine["peers"].get("chrony", "")).partition("-")[0]
    rows = []
    for words, client, server in (
        ("clocksync, bursts of 8", "clocksync, burst of 8", "chronyd"),
        ("chronyd with `xleave`, best of 8", "chronyd xleave, best of 8", "chronyd"),
        (
            "clocksync, server without interleaved mode",
            "clocksync, burst of 8",
            "chronyd, basic only",
        ),
        ("chronyd, likewise, best of 8", "chronyd basic, best of 8", "chronyd, basic only"),
        ("ntplib", "ntplib", "chronyd"),
        ("ntpdig", "ntpdig", "chronyd"),
    ):
        cells = []
        for condition in ("idle", "loaded"):
            columns = (f"{condition} median us", f"{condition} p95 us")
            both = (book.number("accuracy", "", (client, server), column) for column in columns)
            cells.append(" / ".join(f"{v:.2f}" if v < 100 else f"{v:,.0f}" for v in both))
        rows.append([words, *cells])
    return table([f"client, server chronyd {chrony}".strip(), "idle", "loaded"], rows)


def serve_rate(book: Book) -> str:
    """Answers of one core."""
    ours, theirs = (
        book.number("serve_rate", "", (who, "basic"), "answers/s")
        for who in ("clocksync serve", "chronyd")
    )
    return f"{rounded(ours)} requests a second on one core (chronyd {rounded(theirs)})"


def multicast(book: Book) -> str:
    """Totally ordered messages."""
    rate = book.number("multicast", "", ("total", "sparing"), "messages/s")
    return f"{rounded(rate)} totally ordered messages a second at each of three members"


ON, OFF, JUMBO = (
    f"messages/s delivered at every member; MTU {mtu}, segment offload on the links {state}"
    for mtu, state in ((1500, "ON"), (1500, "OFF"), (9000, "ON"))
)
VSYNC, PLAIN = "vsync, encrypted", "vsync, plaintext"
SEALED, KNET, UDP = "corosync, knet aes256+sha256", "corosync, knet", "corosync, udp"


def _rate(book: Book, network: str, size: int, program: str) -> float:
    return book.number("ring", network, (f"{size:,}", program), "messages/s")


def ring_short(book: Book) -> str:
    """A ring of three beside corosync."""
    rows = []
    for words, network, program in (
        ("vsync, segment offload on the links", ON, VSYNC),
        ("vsync, without", OFF, VSYNC),
        ("corosync 3, segment offload", ON, SEALED),
        ("corosync 3, without", OFF, SEALED),
    ):
        latency = ""
        if network == ON:
            row = ("64", f"{program}, AGREED")
            latency = f"{book.cell('ring', 'latency', row, 'p50')} us"
        rates = (rounded(_rate(book, network, size, program)) for size in (64, 1024))
        rows.append([words, *rates, latency])
    return table(["MTU 1500", "64 bytes", "1 KiB", "one message, p50"], rows)


# docs/benchmarks.md


def ring_run(book: Book) -> str:
    """On what, and of how many runs."""
    options = book.record("ring").parameters
    others = [note for note in book.record("ring").notes if note.startswith("other programs took")]
    if not others:
        raise Missing("ring does not say what other programs took")
    runs = f"medians of {options['runs']} runs of {options['seconds']:g} s"
    return f"{machine(book, 'ring')}; {others[0]}; {runs}"


def ring_throughput(book: Book) -> str:
    """Every size, program and network."""
    rows = []
    for size in (64, 1024, 8192, 65_536):

        def both(network: str, *programs: str, size: int = size) -> str:
            return " / ".join(rounded(_rate(book, network, size, one)) for one in programs)

        def with_bytes(network: str, size: int = size) -> str:
            rate = _rate(book, network, size, VSYNC)
            more = f" ({rate * size / 1e6:.0f} MB/s)" if size > 1024 else ""
            return rounded(rate) + more

        def corosync(network: str, size: int = size) -> str:
            plain = max(_rate(book, network, size, one) for one in (KNET, UDP))
            return f"{rounded(_rate(book, network, size, SEALED))} / {rounded(plain)}"

        networks = (ON, OFF, JUMBO)
        bare = ("bare ring, AES-GCM", "bare ring, plain")
        rows += [
            [f"{size:,}", VSYNC, *map(with_bytes, networks)],
            ["", PLAIN, *(both(network, PLAIN) for network in networks)],
            ["", "bare ring, AES-GCM / plain", *(both(network, *bare) for network in networks)],
            ["", "corosync, encrypted / better plain", *map(corosync, networks)],
        ]
    head = ["bytes", "program", "MTU 1500, offload", "MTU 1500, no offload", "MTU 9000"]
    return table(head, rows)


def ring_latency(book: Book) -> str:
    """One message on its way."""

    def of(column: str, programs: list[str], more: str) -> str:
        rows = [("64", one + more) for one in programs]
        return ", ".join(book.cell("ring", "latency", row, column) for row in rows)

    rows = []
    for words, programs in (
        (f"{VSYNC}: AGREED, SAFE", [f"{VSYNC}, {service}" for service in ("AGREED", "SAFE")]),
        (f"{PLAIN}: AGREED, SAFE", [f"{PLAIN}, {service}" for service in ("AGREED", "SAFE")]),
        (SEALED, [f"{SEALED}, AGREED"]),
        ("corosync, knet; udp", [f"{KNET}, AGREED", f"{UDP}, AGREED"]),
    ):
        cells = [of(column, programs, more) for more in ("", THREE) for column in ("p50", "p99")]
        rows.append([words, *cells])
    head = "one 64-byte message on its way, us"
    return table([head, "one member, p50", "p99", "all three at once, p50", "p99"], rows)


def ring_crash(book: Book) -> str:
    """How long there is no ring."""
    rows = []
    timeouts = ("1000", "200", "100", "50")
    for event, words in (("kill -9", "kill -9"), ("cable cut", "cable")):
        for program, known in ((VSYNC, timeouts), (SEALED, timeouts[:2])):
            cells = [""] * len(timeouts)
            for place, timeout in enumerate(known):
                row = (program, event, timeout)
                median = book.cell("ring_crash", "", row, "median ms")
                cells[place] = f"{median} ({book.cell('ring_crash', '', row, 'x token')})"
            rows.append([program, words, *cells])
    trials = book.record("ring_crash").parameters["runs"]
    head = ["program", "event", *(f"{timeout} ms" for timeout in timeouts)]
    return f"Median of {trials} trials, ms, and in token timeouts:\n\n{table(head, rows)}"


def ring_members(book: Book) -> str:
    """More members: measured, by the model, simulated."""
    record = book.record("ring_members")
    if len(record.sheets) < 2:
        raise Missing("ring_members has no simulated rings")
    measured, simulated = ({int(row[0]): row for row in sheet.rows} for sheet in record.sheets[:2])
    places = {name: place for place, name in enumerate(record.sheets[0].columns)}
    rate, shares = places["messages/s"], places["shares %"]
    rows = []
    for count in (3, 4, 8, 16, 32, 64):
        cells = [str(count), "", "", "", "", ""]
        if count in measured:
            row = measured[count]
            # The model of the rate stands beside it; the other one is of the rotation.
            model = "(fitted)" if count == 3 else _rounded(row[rate + 1])
            cells[1:5] = _rounded(row[places["T0 us"]]), _rounded(row[rate]), model, ""
            cells[4] = row[shares].replace("-", ", ")
        if count in simulated:
            place = record.sheets[1].columns.index("messages/s, simulated")
            cells[5] = _rounded(simulated[count][place])
        rows.append(cells)
    options = record.parameters
    costs = next((note for note in record.notes if note.startswith("b = ")), "")
    what = f"Medians of {options['runs']} runs of {options['seconds']:g} s, {options['size']:,} B"
    head = ["members", "rotation, idle us", "measured, messages/s", "model"]
    head += ["least and most share %", "simulated, own processors"]
    return f"{what}, encrypted, offload on; {costs}:\n\n{table(head, rows)}"


def _rounded(cell: str) -> str:
    return rounded(float(cell.replace(",", "")))


def state_transfer(book: Book) -> str:
    """A large state for a member that joins."""
    title = book.sheet("state_transfer").title

    def cell(row: str, column: str) -> str:
        return book.cell("state_transfer", "", (row,), column)

    late, longest = (
        book.number("state_transfer", "", ("during",), column) / 1000
        for column in ("99 % us", "longest us")
    )
    return (
        f"{title}; meanwhile a small message of another member takes {cell('during', 'median us')}"
        f" us instead of {cell('before', 'median us')} (median; 99 %: {late:.1f} ms), the longest"
        f" {longest:.0f} ms"
    )


REGIONS: dict[str, Callable[[Book], str]] = {
    "machine": lambda book: machine(book, "accuracy"),
    "accuracy": accuracy,
    "serve-rate": serve_rate,
    "multicast": multicast,
    "ring-short": ring_short,
    "ring-run": ring_run,
    "ring-throughput": ring_throughput,
    "ring-latency": ring_latency,
    "ring-crash": ring_crash,
    "ring-members": ring_members,
    "state-transfer": state_transfer,
}
