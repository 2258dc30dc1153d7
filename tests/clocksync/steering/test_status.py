"""What a disciplined clock says of itself: to people, to programs, to NTP clients."""

import json
from importlib import resources
from random import Random

import jsonschema

from clocksync.ntp.sample import DISTANCE_MAX_NS
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering.discipline import Discipline
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import Cause, ClockStepped, Followed, HostJudged, State, StateChanged
from clocksync.steering.status import (
    event_document,
    event_line,
    reference_id_of,
    reference_of,
    status_document,
    status_line,
    status_of,
    to_json,
)
from tests.cluster.discipline_world import MINUTE, Happening, HostPlan, Plan, Run

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/discipline-1.json").read_text())
NAMES = ["ntp1", "ntp2", "ntp3"]
T = 1_790_000_000 * SECOND


def disciplined(minutes: int = 10, *happenings: Happening) -> Run:
    settings = DisciplineSettings(poll_min=2, precision_ns=4)
    run = Run(Plan(3, 0, (HostPlan(),) * 3, settings, offset_ns=-SECOND, happenings=happenings))
    run.world.run(minutes * MINUTE)
    return run


def fresh() -> Discipline:
    return Discipline(DisciplineSettings(), 3, Random(1), epoch_ns=T, now=0)


def test_a_locked_clock_is_one_line() -> None:
    run = disciplined()
    now = run.now
    system = run.world.node(("10.0.0.1", 40_000)).wall.read()
    line = status_line(status_of(run.core, NAMES, now, system))
    assert "  locked    system clock " in line
    assert " slow ± " in line
    assert line.endswith("3 of 3 hosts")


def test_an_unlocked_clock_has_no_offset_and_no_bound() -> None:
    status = status_of(fresh(), NAMES, 0, T, {1: "the name does not resolve"})
    document = status_document(status)
    jsonschema.validate(document, SCHEMA)
    assert document["offset_s"] is document["error_bound_s"] is document["cause"] is None
    assert document["hosts"][1]["reason"] == "the name does not resolve"
    assert "no time yet" in status_line(status)


def test_all_that_happens_is_of_the_schema() -> None:
    run = disciplined(12, Happening(10 * MINUTE, "lose"))
    documents = [event_document(it.event, NAMES, T) for it in run.world.told]
    documents.append(status_document(status_of(run.core, NAMES, run.now, T)))
    kinds = set()
    for document in documents:
        if document is not None:
            jsonschema.validate(document, SCHEMA)
            assert "\n" not in to_json(document)
            kinds.add(document["event"])
    assert kinds == {"status", "state", "step", "host"}


def test_every_cause_and_standing_is_in_the_schema() -> None:
    causes = SCHEMA["$defs"]["cause"]["enum"]
    assert sorted(causes) == sorted(cause.name.lower() for cause in Cause)
    assert sorted(SCHEMA["$defs"]["name"]["enum"]) == sorted(state.value for state in State)


def test_what_happens_is_a_line_but_for_what_happens_all_the_time() -> None:
    changed = StateChanged(State.LOCKED, State.HOLDOVER, Cause.SOURCES_LOST, 1000)
    assert event_line(changed, NAMES, T) == "14:13:20  = holdover (too few hosts answer)"
    step = event_line(ClockStepped(SECOND), NAMES, T)
    assert step == "14:13:20  = stepped forward by 1.00 s"
    judged = event_line(HostJudged(1, "silent", "it does not answer"), NAMES, T)
    assert judged == "14:13:20  - ntp2 is silent: it does not answer"
    bound = disciplined().core.reach.at(T)
    assert bound is not None
    assert event_line(Followed(T, bound, 0, 5), NAMES, T) is None


# To NTP clients


def test_an_unlocked_clock_is_served_as_not_synchronised() -> None:
    reference = reference_of(fresh(), 0)
    assert reference.stratum == 16
    assert reference.header().leap == 3


def test_what_is_served_is_no_less_than_the_bound() -> None:
    run = disciplined()
    now = run.now
    reference = reference_of(run.core, now)
    bound = run.core.error_bound_ns(now)
    assert bound is not None
    assert reference.stratum == 2
    served = reference.header()
    distance = (served.root_delay / 2 + served.root_dispersion) * SECOND / 65536
    assert bound <= distance < bound + MILLISECOND
    assert reference.reference_id == int.from_bytes(bytes([10, 1, 0, 1 + _nearest(run)]), "big")


def _nearest(run: Run) -> int:
    return min(run.core.sources.values(), key=lambda source: source.least_delay_ns).number


def test_in_holdover_what_is_served_grows() -> None:
    run = disciplined(10)
    run.lose()
    seen = []
    for _ in range(6):
        run.world.run_for(10 * MINUTE)
        reference = reference_of(run.core, run.now)
        assert reference.stratum == 2
        seen.append(reference.root_dispersion_ns)
    assert run.core.state is State.HOLDOVER
    assert seen == sorted(seen)
    assert seen[-1] > 3 * seen[0]


def test_a_bound_that_no_client_accepts_is_not_served() -> None:
    run = disciplined()
    run.core.reach.widen(run.now + run.core.epoch_ns, DISTANCE_MAX_NS)
    assert reference_of(run.core, run.now).stratum == 16


def test_an_ipv6_server_has_a_reference_id_too() -> None:
    assert reference_id_of("2001:db8::1") != reference_id_of("2001:db8::2")
    assert reference_id_of("fe80::1%eth0") == reference_id_of("fe80::1")
