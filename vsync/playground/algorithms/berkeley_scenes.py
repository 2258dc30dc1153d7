"""The guided scenes of the Berkeley algorithm: the textbook, a liar, a daemon that dies."""

from vsync.playground.stage import Scene, Step

MINUTES, MILLISECONDS = "minutes", "milliseconds"

TEXTBOOK = Scene(
    "textbook",
    "3:00, 3:25 and 2:50",
    (
        Step(
            "What time is it?",
            "Host 1 is the daemon, and its clock shows <b>3:00</b>. The others join, and it asks"
            " each how far it is from that.",
            (),
            0.016,
        ),
        Step(
            "The answers",
            "Host 2 shows 3:25, so it says <b>+25</b>. Host 3 shows 2:50 and says <b>−10</b>.",
            (),
            0.012,
        ),
        Step(
            "The average",
            "The average of 0, +25 and −10 is <b>+5</b>. Host 1 adjusts by <b>+5</b>, and"
            " tells host 2 <b>−20</b> and host 3 <b>+15</b>. All go to 3:05."
            " Nobody asked what time it really is.",
            (),
            0.03,
        ),
        Step(
            "And again",
            "The next round finds nothing left to do, but for what the delays of messages leave"
            " open. Move a clock with its slider, and watch the next round.",
            (),
            0.13,
        ),
    ),
    {"scale": MINUTES, "hosts": "3"},
)

LIAR = Scene(
    "a-liar",
    "A liar is left out",
    (
        Step(
            "Four clocks come together",
            "In milliseconds you see them <b>slew</b>: no clock is set back, the fast ones run 10 %"
            " slower for a while. The band is each one's bound, the tick is the group's time.",
            (),
            0.3,
        ),
        Step(
            "Host 3 lies",
            "It says that it is 90 ms ahead, and does as it likes. A plain average would pull all"
            " others by a quarter of that. The daemon averages only the largest set of clocks that"
            " lie <b>close together</b>: host 3 is left out.",
            [{"do": "lie", "lane": 3}],
            0.2,
        ),
        Step(
            "Honest again",
            "As soon as its answers fit, it counts again.",
            [{"do": "lie", "lane": 3}],
            0.25,
        ),
    ),
    {"scale": MILLISECONDS, "hosts": "4"},
)

TAKEOVER = Scene(
    "takeover",
    "The daemon dies",
    (
        Step(
            "Four clocks and their daemon",
            "Host 1 asks, every 80 ms.",
            (),
            0.2,
        ),
        Step(
            "Host 1 is killed",
            "No poll comes any more. Bounds begin to <b>grow</b>, slowly: less is certain of"
            " clocks that nobody compares.",
            [{"do": "kill", "lane": 1}],
            0.15,
        ),
        Step(
            "The lowest that is left goes on",
            "After three rounds of silence <b>host 2</b> begins the next term. The others wait"
            " longer, each for its number, so that not all begin at once.",
            (),
            0.25,
        ),
        Step(
            "Host 1 comes back",
            "It starts again, asks to be let in, and follows host 2 like everybody.",
            [{"do": "revive", "lane": 1}],
            0.25,
        ),
    ),
    {"scale": MILLISECONDS, "hosts": "4"},
)

SCENES = (TEXTBOOK, LIAR, TAKEOVER)
