"""What must be true of every measurement, checked from outside with the truth at hand.

Each property looks at a :class:`~tests.cluster.measure_world.Played` run and yields its offences,
one line each. None of them knows how an estimate is made; those that need an oracle have their own.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from clocksync.measuring.prober import Prober
from clocksync.measuring.result import HostResult, Verdict
from clocksync.ntp.checks import Rejection
from clocksync.ntp.estimate import SKEW_CLAIMED_BELOW_PPM
from clocksync.ntp.sample import Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.simulation import Constant
from tests.cluster.measure_world import Played, ServerPlan, Truth, address_of, draw, play

USABLE = (Verdict.TRUECHIMER, Verdict.FALSETICKER, Verdict.UNDECIDED)
NEVER_HERE = (Verdict.KISS_OF_DEATH, Verdict.UNSYNCHRONISED)
NEVER_HONEST = (
    Rejection.BACKWARDS,
    Rejection.IMPOSSIBLE_DELAY,
    Rejection.REFERENCE_IN_FUTURE,
    Rejection.ROOT_DISTANCE,
)

Offences = Iterator[str]


def hosts(played: Played) -> Iterator[tuple[ServerPlan, HostResult, Prober]]:
    """Every server with its row and its record."""
    for place, plan in enumerate(played.scenario.servers):
        prober = played.survey.probers[address_of(place)]
        yield plan, played.measurement.hosts[place], prober


def samples(played: Played) -> Iterator[tuple[ServerPlan, Sample, Truth]]:
    """Every sample with the truth at the moment its answer arrived."""
    for plan, _, prober in hosts(played):
        for sample in prober.association.samples:
            yield plan, sample, played.truths[prober.address, sample.t4]


def usable(played: Played) -> list[HostResult]:
    return [row for row in played.measurement.hosts if row.interval is not None]


def the_world_is_as_it_says(played: Played) -> Offences:
    """No honest server is more wrong than it claims: else the checks below would blame the tool."""
    for plan, _, prober in hosts(played):
        if plan.honest:
            for (address, _), truth in played.truths.items():
                if address == prober.address and abs(truth.error_ns) > plan.claim_ns:
                    yield f"{plan} is off by {truth.error_ns} ns, and claims {plan.claim_ns}"


def every_sample_holds(played: Played) -> Offences:
    """The four stamps bound the server's clock, and its claims bound true time."""
    if played.scenario.steps:
        return
    for plan, sample, truth in samples(played):
        if sample.t3 < sample.t2 - sample.precision_ns:
            yield f"the answer left before the request came: {sample}"
        if truth.server_ns not in sample.path:
            yield f"the server's clock is {truth.server_ns} away, not in {sample.path} of {sample}"
        if plan.honest and truth.offset_ns not in sample.truth:
            yield f"true time is {truth.offset_ns} away, not in {sample.truth} of {sample}"


def every_honest_bound_holds(played: Played) -> Offences:
    """An honest server's row contains the truth, whoever else lies; it never contradicts itself."""
    if played.scenario.steps:
        return
    for plan, row, prober in hosts(played):
        if not plan.honest:
            continue
        if row.interval is None:
            if prober.association.samples:
                yield f"honest, and yet no offset: {row}"
        elif played.truth_ns not in row.interval:
            yield f"true time is {played.truth_ns} away, not in {row.interval} of {row}"


def honest_answers_are_accepted(played: Played) -> Offences:
    """No answer of an honest server is thrown away for what it says."""
    if played.scenario.steps:
        return
    for plan, _, prober in hosts(played):
        for rejection in NEVER_HONEST:
            if plan.honest and prober.association.rejections[rejection]:
                yield f"{rejection} by the honest {plan}"


def a_step_is_told_or_bounded(played: Played) -> Offences:
    """After a step by S either the row is invalid, or the truth is within S of its interval; and
    where the samples before and after cannot both be true, it is invalid.

    More cannot be promised: a step that hides within the bounds leaves no trace in the stamps.
    """
    for step in played.scenario.steps:
        for place, (_, row, prober) in enumerate(hosts(played)):
            if step.place not in (None, place):
                continue
            found = prober.association.samples
            held = [s for s in found if played.truths[prober.address, s.t4].offset_ns in s.truth]
            if row.interval is not None and len(held) < len(found) and played.truth_ns is not None:
                away = max(
                    row.interval.earliest - played.truth_ns, played.truth_ns - row.interval.latest
                )
                if away > abs(step.by_ns):
                    yield f"a step by {step.by_ns} put {row.interval} {away} from the truth"
            if row.interval is not None and not _can_agree(found, played):
                yield f"samples of before and after a step exclude each other, and yet: {row}"


def _can_agree(found: list[Sample], played: Played) -> bool:
    """Whether every pair of samples allows a common truth; an oracle apart from the estimate."""
    drift_ppm = played.scenario.settings.max_drift_ppm
    return all(
        one.truth.widened(drift_allowance(two.t4 - one.t4, drift_ppm)) & two.truth is not None
        for one in found
        for two in found
    )


def every_row_is_plausible(played: Played) -> Offences:
    """What is never negative is not, what is unknown is None, what is counted adds up."""
    for plan, row, prober in hosts(played):
        known = prober.association.samples
        if not row.answered <= row.samples <= played.scenario.settings.samples:
            yield f"{row.answered} answers to {row.samples} requests"
        if len(known) > row.answered:
            yield f"{len(known)} samples of {row.answered} answers"
        if (row.verdict in USABLE) != (row.interval is not None) or row.verdict in NEVER_HERE:
            yield f"verdict and offset do not go together: {row}"
        if row.verdict is not Verdict.TRUECHIMER and not row.reason:
            yield f"no reason: {row}"
        if row.interval is None:
            if row.delay_ns is not None or row.jitter_ns is not None or row.skew_ppm is not None:
                yield f"statistics without an offset: {row}"
            continue
        precision_ns = min(sample.precision_ns for sample in known)
        assert row.delay_ns is not None
        assert row.error_bound_ns is not None
        if row.delay_ns < 0 or row.error_bound_ns < precision_ns:
            yield f"delay {row.delay_ns} or bound {row.error_bound_ns} is too small: {row}"
        if (row.jitter_ns is None) != (len(known) == 1):
            yield f"jitter {row.jitter_ns} of {len(known)} samples"
        if played.survey.probers[prober.address].kiss:
            yield f"silenced by a kiss that {plan} never sent"


def no_bound_is_wider_than_a_sample_proves(played: Played) -> Offences:
    """The bound is an intersection, so it is never wider than any of its parts."""
    at_ns, drift_ppm = played.measurement.measured_at_ns, played.scenario.settings.max_drift_ppm
    for _, row, prober in hosts(played):
        if row.error_bound_ns is None:
            continue
        known = prober.association.samples
        narrowest = min(
            s.truth.widened(drift_allowance(at_ns - s.t4, drift_ppm)).width + s.precision_ns
            for s in known
        )
        if row.error_bound_ns > narrowest:
            yield f"bound {row.error_bound_ns}, but one sample alone proves {narrowest}"


def a_symmetric_path_gives_the_offset_itself(played: Played) -> Offences:
    """Where both ways take the same time, what is left of the error is the server's own, the
    precision and the drift."""
    scenario = played.scenario
    if scenario.steps or scenario.replays or scenario.client.options.stamps is StampSource.USER:
        return
    for plan, row, prober in hosts(played):
        if not _is_cable(plan) or row.offset_ns is None or played.truth_ns is None:
            continue
        known = prober.association.samples
        age_ns = played.measurement.measured_at_ns - min(sample.t1 for sample in known)
        allowed = 2 * known[0].precision_ns + drift_allowance(age_ns, 500)
        own = played.truths[prober.address, known[-1].t4].error_ns
        if abs(row.offset_ns - played.truth_ns - own) > allowed:
            yield f"{row.offset_ns - played.truth_ns - own} ns off on a symmetric path: {row}"


def _is_cable(plan: ServerPlan) -> bool:
    prompt = plan.clock.options.latency is None
    kernel = plan.clock.options.stamps is StampSource.KERNEL
    constant = isinstance(plan.there.delay, Constant) and plan.there.delay == plan.back.delay
    return constant and prompt and kernel and not (plan.there.reorder or plan.back.reorder)


def the_skew_holds(played: Played) -> Offences:
    """Where all rates are constant, the skew's bound holds; it is claimed below 100 ppm only."""
    for plan, row, _ in hosts(played):
        if row.skew_ppm is None or row.skew_bound_ppm is None:
            continue
        if row.skew_bound_ppm >= SKEW_CLAIMED_BELOW_PPM:
            yield f"a skew claimed within {row.skew_bound_ppm} ppm"
        if played.scenario.is_steady:
            theirs, ours = plan.clock.rate_ppm, played.scenario.client.rate_ppm
            skew_ppm = ((1 + theirs / 1e6) / (1 + ours / 1e6) - 1) * 1e6
            if abs(skew_ppm - row.skew_ppm) > row.skew_bound_ppm + 1e-6:
                yield f"skew {row.skew_ppm} ± {row.skew_bound_ppm}, but it is {skew_ppm}"


def interleaved_answers_complete_their_own_exchange(played: Played) -> Offences:
    """On a clean path to a server that speaks it, every answer gets its measured departure but the
    first or last two, so that none of the server's time is taken for the network's."""
    settings = played.scenario.settings
    if played.scenario.steps or not settings.interleaved:
        return
    for plan, _, prober in hosts(played):
        ways = plan.there, plan.back
        if not all(isinstance(way.delay, Constant) for way in ways) or not plan.interleaved:
            continue
        trip = sum(way.delay.draw(None) for way in ways if isinstance(way.delay, Constant))
        troubled = any(way.loss or way.duplicate or way.reorder for way in ways)
        late = 2 * trip + 1_000_000 > min(settings.interval_ns or 10**12, settings.timeout_ns)
        if troubled or late or not plan.eager or plan.clock.tick_ns > 1:
            continue
        found = sum(sample.interleaved for sample in prober.association.samples)
        if found < prober.association.answered - 2:
            yield f"{found} interleaved samples of {prober.association.answered} answers"


def the_combined_interval_holds(played: Played) -> Offences:
    """While more than half of the usable rows are right, so is what is combined of them."""
    combined, rows = played.measurement.combined, usable(played)
    if combined is None or played.truth_ns is None:
        return
    right = sum(played.truth_ns in (row.interval or ()) for row in rows)
    if 2 * right > len(rows) and played.truth_ns not in combined.interval:
        yield f"true time is {played.truth_ns} away, not in {combined} of {rows}"


def no_side_is_taken_without_a_majority(played: Played) -> Offences:
    """Where no point is shared by more than half, it says so and combines nothing."""
    rows = usable(played)
    claims = [row.interval for row in rows if row.interval is not None]
    most = max((sum(end in claim for claim in claims) for end in _ends(claims)), default=0)
    if 2 * most <= len(rows):
        if played.measurement.combined is not None:
            yield f"combined, though at most {most} of {len(rows)} agree"
        if any(row.verdict is not Verdict.UNDECIDED for row in rows):
            yield f"a side is taken, though at most {most} of {len(rows)} agree: {rows}"
        if rows and played.measurement.exit_code != 1:
            yield f"exit {played.measurement.exit_code} without a majority"


def _ends(claims: list[Interval]) -> list[int]:
    return [claim.earliest for claim in claims]


def loud_liars_are_named(played: Played) -> Offences:
    """Liars below half that contradict every honest claim: all of them are named, nobody else."""
    if played.scenario.steps:
        return
    rated = [(plan, row) for plan, row, _ in hosts(played) if row.interval is not None]
    liars = [row.host for plan, row in rated if not plan.honest]
    if 2 * len(liars) >= len(rated) or any(not (p.honest or p.loud) for p, _ in rated):
        return
    honest = [row.host for plan, row in rated if plan.honest]
    combined = played.measurement.combined
    if combined is None:
        yield f"{len(honest)} honest servers of {len(rated)} are no majority"
    elif list(combined.truechimers) != honest or list(combined.falsetickers) != liars:
        yield f"the liars are {liars}, not {combined.falsetickers}"


def the_exit_code_says_it(played: Played) -> Offences:
    """0 if and only if every host is a truechimer; 2 if and only if none is usable."""
    verdicts = [row.verdict for row in played.measurement.hosts]
    wanted = 1
    if all(verdict is Verdict.TRUECHIMER for verdict in verdicts):
        wanted = 0
    elif not any(verdict in USABLE for verdict in verdicts):
        wanted = 2
    if played.measurement.exit_code != wanted:
        yield f"exit {played.measurement.exit_code} for {[verdict.value for verdict in verdicts]}"


def it_ends_in_time(played: Played) -> Offences:
    """Every host is settled within samples x (interval + timeout) and the rest the issue allows."""
    if not played.settled:
        yield "some host was never settled"


PROPERTIES: tuple[Callable[[Played], Offences], ...] = (
    the_world_is_as_it_says,
    every_sample_holds,
    every_honest_bound_holds,
    honest_answers_are_accepted,
    a_step_is_told_or_bounded,
    every_row_is_plausible,
    no_bound_is_wider_than_a_sample_proves,
    a_symmetric_path_gives_the_offset_itself,
    the_skew_holds,
    interleaved_answers_complete_their_own_exchange,
    the_combined_interval_holds,
    no_side_is_taken_without_a_majority,
    loud_liars_are_named,
    the_exit_code_says_it,
    it_ends_in_time,
)


class Violated(AssertionError):
    """A run in which the property `by` did not hold."""

    def __init__(self, seed: int, by: str, offence: str, played: Played) -> None:
        super().__init__(f"seed {seed}, {by}: {offence}\n{played.scenario}")
        self.by = by


def check(seed: int) -> Counter[str]:
    """Play a seed and hold it against every property; what there was to check.

    Raises:
        Violated: a property did not hold; the message names it and shows the scenario.
    """
    played = play(draw(seed))
    for holds in PROPERTIES:
        for offence in holds(played):
            raise Violated(seed, holds.__name__, offence, played)
    return tally(played)


def tally(played: Played) -> Counter[str]:
    """What a run contributed: a property that never had anything to look at proves nothing."""
    counts = Counter({"runs": 1, f"worlds of {played.scenario.kind}": 1})
    for plan, row, prober in hosts(played):
        counts["rows"] += 1
        counts[f"rows {row.verdict.value}"] += 1
        counts["samples"] += len(prober.association.samples)
        counts["samples interleaved"] += sum(s.interleaved for s in prober.association.samples)
        counts["honest bounds held"] += plan.honest and row.interval is not None
        counts["skews claimed"] += row.skew_ppm is not None
    counts["combined"] += played.measurement.combined is not None
    counts["undecided"] += any(r.verdict is Verdict.UNDECIDED for r in played.measurement.hosts)
    return counts
