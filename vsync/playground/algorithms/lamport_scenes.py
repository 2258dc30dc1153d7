"""The guided scenes of Lamport's three clocks: the lecture's four messages, twice, and vectors."""

from collections.abc import Sequence

from vsync.playground.stage import Action, Scene, Step


def _sends(*pairs: tuple[int, int]) -> Sequence[Action]:
    return [{"do": "send", "from": sender, "to": to} for sender, to in pairs]


# The lecture's messages leave at the steps 1, 3, 6 and 8: an action half a step before that.
AS_THEY_RUN = Scene(
    "as-they-run",
    "A message arrives before it was sent",
    (
        Step(
            "Three clocks, three rates",
            "P1's clock ticks <b>6</b> a step, P2's <b>8</b>, P3's <b>10</b>. P1 sends m1 to P2:"
            " sent at 6, received at 16. Nothing seems wrong.",
            _sends((1, 2)),
            2.5,
        ),
        Step(
            "Further right, further ahead",
            "P2 sends m2 to P3: sent at 24, received at 40. From a slow clock to a fast one all"
            " messages look fine.",
            _sends((2, 3)),
            3.0,
        ),
        Step(
            "Now the other way",
            "P3 sends m3 to P2. It leaves at <b>60</b> and comes at <b>56</b>: before it was sent.",
            _sends((3, 2)),
            2.0,
        ),
        Step(
            "And once more",
            "P2 sends m4 to P1. It leaves at <b>64</b> and comes at <b>54</b>. Who sorts events by"
            " these clocks puts effects before their causes.",
            _sends((2, 1)),
            2.0,
        ),
    ),
    {"mode": "no correction"},
)

CORRECTED = Scene(
    "corrected",
    "Lamport's correction",
    (
        Step(
            "The same messages, with times on them",
            "Every message carries the time of its sending. m1 brings 6, m2 brings 24: the"
            " receivers are ahead of that, and nothing changes.",
            _sends((1, 2)),
            2.5,
        ),
        Step(
            "Still nothing to do",
            "m2 brings <b>24</b>, and P3's clock shows 40 by now.",
            _sends((2, 3)),
            3.0,
        ),
        Step(
            "m3 brings 60",
            "P2's clock would show 56. A message cannot come before it was sent, so P2 sets its"
            " clock to <b>max(56, 60 + 1) = 61</b>.",
            _sends((3, 2)),
            2.0,
        ),
        Step(
            "m4 brings 69",
            "P2's clock went on from 61, so m4 brings <b>69</b>; P1, at 54, jumps to <b>70</b>."
            " Clocks only ever jump forward, and what happened before has the smaller number.",
            _sends((2, 1)),
            2.5,
        ),
    ),
    {"mode": "Lamport"},
)

CONCURRENT = Scene(
    "concurrent",
    "Before, or concurrent?",
    (
        Step(
            "A vector for each event",
            "A <b>vector</b> counts the events of every process that lie in the past of this one."
            " P1 sends to P2; meanwhile something happens at P3, which nobody has told anything.",
            [*_sends((1, 2)), {"do": "work", "lane": 3}],
            2.5,
        ),
        Step(
            "The same story told on",
            "P2 passes on what it knows to P3. What P3 does from then on lies after what P1 did.",
            _sends((2, 3)),
            2.5,
        ),
        Step(
            "Two events that knew nothing of each other",
            "We choose what P1 sent, and P3's first event. Neither vector is the smaller one in"
            " all places: they are <b>concurrent</b>. Lamport's clock gives them an order all"
            " the same.",
            [{"do": "pick", "event": 1}, {"do": "pick", "event": 2}],
            0.5,
        ),
        Step(
            "Two events of one story",
            "Now what P1 sent, and what P3 got from P2. Every number of the first is at most that"
            " of the second: the first <b>happened before</b> the second. Click other events to"
            " compare them.",
            [{"do": "pick", "event": 1}, {"do": "pick", "lane": 3}],
            1.0,
        ),
    ),
    {"mode": "vector clocks"},
)

SCENES = (AS_THEY_RUN, CORRECTED, CONCURRENT)
