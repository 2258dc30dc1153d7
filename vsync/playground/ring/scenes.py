"""The guided walks over the ring: five minutes for who has never heard of one, then one for each
of the four properties, with what cannot happen."""

from typing import Any

from vsync.playground.stage import Scene, Step


def _do(name: str, **more: Any) -> dict[str, Any]:
    return {"do": name, **more}


def _send(*members: int, service: str = "agreed") -> list[dict[str, Any]]:
    return [_do(service, lane=member) for member in members]


JUDGE = _do("judge")

FIVE_MINUTES = Scene(
    "five-minutes",
    "Five minutes: what is virtual synchrony?",
    (
        Step(
            "Five processes that want to agree",
            "Each circle is a process on a machine of its own. They sit on a <b>ring</b>, and pass"
            " a <b>token</b> round: the coin. Nobody is in charge; whoever has the token may send."
            " Time runs a twentieth as fast as it does, so that you can watch.",
        ),
        Step(
            "A message",
            "2 wants to send. It waits for the token, takes the <b>next number</b> from it, and"
            " sends to all. Each row below is what one process was told: a tile for each message."
            " M1 is in all rows.",
            _send(2),
            0.16,
        ),
        Step(
            "All at once",
            "Now all five want to send at the same time. Who goes first? It does not matter, as"
            " long as all agree: the token hands out the numbers, so all rows have the <b>same"
            " messages in the same order</b>.",
            _send(4, 1, 5, 3, 2, 4),
            0.2,
        ),
        Step(
            "Are you sure that all have it?",
            "1 sends a <b>safe</b> message (with a frame). It is delivered only when every process"
            " is known to have it, and the token must come round twice to bring word. Until then it"
            " waits everywhere: see the panel <b>Why?</b>",
            _send(1, service="safe"),
            0.24,
        ),
        Step(
            "A process dies",
            "3 is gone, and with it the token, sooner or later. There is no message that says so:"
            " the others find out because <b>the token does not come back</b>.",
            [_do("kill", lane=3)],
            0.24,
        ),
        Step(
            "They agree on who is left",
            "They ask each other who is there, and wait for those who are silent only so long."
            " Then they form a new ring, and first <b>bring each other up to date</b>: what one has"
            " of the old ring, all get.",
            (),
            0.34,
        ),
        Step(
            "One story for all",
            "Each is told of the change <b>at the same place between messages</b>: a bar in each"
            " row. So all know who else has seen what. That is <b>virtual synchrony</b>: as if all"
            " had happened everywhere at one instant.",
            _send(4, 2),
            0.2,
        ),
        Step(
            "It comes back",
            "3 starts again. It begins alone, hears the ring, and is let in: another change, at the"
            " same place for all.",
            [_do("restart", lane=3)],
            0.5,
        ),
        Step(
            "The network breaks in two",
            "1 and 2 cannot reach 3, 4 and 5 any more. To either side it looks as if the others had"
            " died. <b>Both go on</b>, each with a ring of its own.",
            [_do("split", lanes=[1, 2])],
            0.48,
        ),
        Step(
            "Two sides, two orders",
            "Each side sends. Within a side all rows agree. Nobody believes that the other side has"
            " seen it: it is <b>not in the configuration</b>.",
            [*_send(1, 4, 2, 5)],
            0.2,
        ),
        Step(
            "They find each other",
            "The links are mended. One ring hears the other announce itself, and they become one."
            " Who was together stays together: that is what the two <b>transitional"
            " configurations</b> (the hollow bars) tell.",
            [_do("heal")],
            0.55,
        ),
        Step(
            "Was it all true?",
            "Every promise made here can be checked against what was delivered where. A judge who"
            " knows nothing of how the ring works has read all of it.",
            [JUDGE],
            0.25,
        ),
    ),
)

SELF_DELIVERY = Scene(
    "self-delivery",
    "Self delivery",
    (
        Step(
            "What I send, I get",
            "A process that sends a message <b>delivers it itself</b>, at its place in the order,"
            " like everybody. So it can wait for its own message to know when its turn was: that is"
            " how a lock works here.",
            _send(2, 4),
            0.16,
        ),
        Step(
            "Even when it is cut off",
            "4 wants to send, and is cut off before the token comes. It loses the token, finds"
            " nobody, and goes on alone.",
            [_do("split", lanes=[4]), *_send(4)],
            0.45,
        ),
        Step(
            "Alone, but not silent",
            "In a ring of its own 4 has the only token, and delivers its message to itself. The"
            " others are in another configuration, and know nothing of it. Nobody was misled.",
            (),
            0.12,
        ),
        Step(
            "What can't happen",
            "Here is a history that <b>somebody made up</b>. 1 sends M1, and the others deliver it."
            " Then 1 is cut off and goes on, and has never delivered what it sent itself.",
            (),
            0.26,
            {"lie": "self-delivery"},
        ),
        Step(
            "The judge finds it",
            "The judge reads only what each process was told. It does not know that this is a lie.",
            [JUDGE],
            0.01,
        ),
    ),
)

AGREED = Scene(
    "agreed",
    "Agreed: one order",
    (
        Step(
            "All deliver in one order",
            "1, 3, 4 and 2 want to send at once. Each message gets its number from the token, and"
            " everybody delivers in the order of the numbers.",
            _send(1, 3, 4, 2),
            0.16,
        ),
        Step(
            "Something gets lost",
            "The way from 2 to 5 is cut. What 2 sends does not reach 5. When a later message comes,"
            " 5 <b>has it and waits</b>: the one before it is missing.",
            [_do("cut", **{"from": 2, "to": 5}), *_send(2, 3, 4)],
            0.09,
        ),
        Step(
            "And comes again",
            "5 writes into the token what it misses. Whoever has it sends it again: not 2, whom 5"
            " cannot hear. Then all that waited is delivered, <b>in the same order</b>.",
            (),
            0.14,
        ),
        Step(
            "What can't happen",
            "A history that <b>somebody made up</b>: 1 and 3 deliver M1 M2 M3 M4, and 2 delivers"
            " M1 M2 <b>M4 M3</b>.",
            (),
            0.17,
            {"lie": "agreed"},
        ),
        Step(
            "The judge finds it",
            "If M3 and M4 were two payments, 2 would now have another balance than 1 and 3.",
            [JUDGE],
            0.01,
        ),
    ),
)

SAFE = Scene(
    "safe",
    "Safe: all have it",
    (
        Step(
            "Not before all have it",
            "2 sends a <b>safe</b> message. All have it after one hop, and deliver nothing yet:"
            " none of them knows that the others have it.",
            _send(2, service="safe"),
            0.085,
        ),
        Step(
            "Word goes round",
            "The token carries up to which number everybody has everything. Seen twice in a row, it"
            " is certain, and the message is delivered.",
            (),
            0.09,
        ),
        Step(
            "At just this moment",
            "4 sends another safe message. All have it by now, and <b>nobody knows that yet</b>:"
            " everywhere it waits for the token. What if somebody dies at just this moment?",
            _send(4, service="safe"),
            0.05,
        ),
        Step(
            "Safe among those who are left",
            "5 dies. Did it have the message? Did it deliver it? Nobody can know: the promise was"
            " made for five and cannot be kept for five. So M2 is delivered in the <b>transitional"
            " configuration</b>: safe among those who go on together, and all can see that.",
            [_do("kill", lane=5)],
            0.46,
        ),
        Step(
            "What can't happen",
            "A history that <b>somebody made up</b>: 1 delivers the safe M3 at once. But it never"
            " reached 2 and 3, and then they lose each other.",
            (),
            0.28,
            {"lie": "safe"},
        ),
        Step(
            "The judge finds it",
            "1 may have told a customer that M3 is done. 2 and 3 have never heard of it.",
            [JUDGE],
            0.01,
        ),
    ),
)

VIRTUAL_SYNCHRONY = Scene(
    "virtual-synchrony",
    "Virtual synchrony: changes have a place",
    (
        Step(
            "Three messages",
            "1, 2 and 4 have sent something: M1, M2 and M3 are in all rows. So far there is nothing"
            " to be seen but one order.",
            _send(1, 2, 4),
            0.12,
        ),
        Step(
            "A message that not all get",
            "Now 3 sends M4, while its links to 2, 4 and 5 are broken: only <b>1 gets it</b>, and"
            " delivers it.",
            [
                *(_do("cut", **{"from": 3, "to": other}) for other in (2, 4, 5)),
                *_send(3),
            ],
            0.06,
        ),
        Step(
            "And its sender dies",
            "3 is dead, so it cannot send M4 again. 1 has delivered it, the others do not have it."
            " If they went on like this, they would have seen two different stories.",
            [_do("kill", lane=3)],
            0.17,
        ),
        Step(
            "Before the change, all get it",
            "While the new ring is formed, all tell what they have of the old one, and <b>1 sends"
            " M4 again</b>. The others deliver it before they are told that 3 is gone: either all"
            " who go on together deliver it, or none.",
            (),
            0.3,
        ),
        Step(
            "The same place in all rows",
            "The hollow bar is the transitional configuration, the full bar the new regular one."
            " What comes before them is the same for all who go on together, and what comes after"
            " too.",
            [*_send(5, 2)],
            0.16,
        ),
        Step(
            "What can't happen",
            "A history that <b>somebody made up</b>. 3 sends M4, which reaches only 1, and dies."
            " 1 and 2 go on together: 1 delivers <b>M1 M2 M3 M4</b> before the change, 2 delivers"
            " <b>M1 M2 M3</b>.",
            (),
            0.24,
            {"lie": "virtual-synchrony"},
        ),
        Step(
            "The judge finds it",
            "1 and 2 believe that they have seen the same, since they came through the change"
            " together. From here on their states differ, and nobody will notice.",
            [JUDGE],
            0.01,
        ),
    ),
)

SCENES = (FIVE_MINUTES, SELF_DELIVERY, AGREED, SAFE, VIRTUAL_SYNCHRONY)
