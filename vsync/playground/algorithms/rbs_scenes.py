"""The guided scenes of reference broadcasts: differences, the mean of M, the skew, silence."""

from vsync.playground.stage import Scene, Step

DIFFERENCES = Scene(
    "differences",
    "One broadcast, three clocks",
    (
        Step(
            "A beacon without a clock",
            "The beacon sends a number at a time. Each waits at the beacon for up to 120 ms, nobody"
            " knows how long; then it reaches A, B and C <b>almost at once</b>. They note when,"
            " each by its own clock.",
            (),
            1.2,
        ),
        Step(
            "Stamps are exchanged",
            "Each tells the others its stamps. The stamps of one number differ by what the clocks"
            " are apart, and by a few ms of the way. <b>The wait at the beacon is in both</b>.",
            (),
            2.0,
        ),
        Step(
            "The counterpart: asking",
            "A also asks B and C for their time. Question and answer each wait at <b>their"
            " sender</b>, so the result is off by half of what the waits differ by. Compare the"
            " bands in the picture of the readings.",
            (),
            5.0,
        ),
    ),
)

MEAN = Scene(
    "mean-of-m",
    "The mean of M, and the skew",
    (
        Step(
            "M = 1",
            "One difference is as good as the way is even: a few ms off, up and down.",
            [{"do": "m", "value": 1}],
            5.0,
        ),
        Step(
            "M = 20",
            "The mean of 20 is steadier: its error falls with the <b>root of M</b>. Chance averages"
            " out, the <b>bound</b> does not rely on it.",
            [{"do": "m", "value": 20}],
            6.0,
        ),
        Step(
            "The slope is the skew",
            "B's clock runs 400 ppm faster than A's, so the differences grow. A line through them"
            " has that <b>slope</b>, and it becomes certain with time.",
            (),
            8.0,
        ),
    ),
    {"m": 1},
)

SILENCE = Scene(
    "silence",
    "The beacon falls silent",
    (
        Step(
            "Broadcasts come",
            "Offsets and bounds are fresh.",
            (),
            6.0,
        ),
        Step(
            "Silence",
            "Nothing new is learned. The offset goes on by the skew that was found, and the"
            " <b>bound grows</b> by what clocks may drift apart. It still holds the truth.",
            [{"do": "beacon"}],
            8.0,
        ),
        Step(
            "And back",
            "A few broadcasts are enough: the bound is as narrow as before.",
            [{"do": "beacon"}],
            5.0,
        ),
    ),
)

SCENES = (DIFFERENCES, MEAN, SILENCE)
