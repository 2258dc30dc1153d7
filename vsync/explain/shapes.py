"""The shapes of a picture as SVG: one for each kind of event, none like another."""

import re
from xml.sax.saxutils import escape

INK = "#1a202c"

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Text as XML can say it: it has no way at all to write control characters."""
    return escape(_NOT_IN_XML.sub("\ufffd", text))


def number(value: float) -> str:
    """A length, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def blended(colour: str, part: float) -> str:
    """A colour on white paper, opaque.

    >>> blended("#0072B2", 0.5)
    '#80b8d8'
    """
    values = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (value - 255) * part):02x}" for value in values)


def text(x: float, y: float, words: str, style: str = "", anchor: str = "") -> str:
    """A line of text; `y` is its base line."""
    styled = f' class="{style}"' if style else ""
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{styled} x="{number(x)}" y="{number(y)}"{anchored}>{escaped(words)}</text>'


def message(x: float, y: float, service: str, is_sent: bool, is_run: bool = False) -> str:
    """A message: round if agreed, square if safe; a run is a pile of them."""
    fill = INK if is_sent else "#fff"
    front = "safe" if service == "mixed" else service
    back = "agreed" if service == "mixed" else service
    pile = _one(x + 3.5, y - 2.5, back, "#8a94a3" if is_sent else "#fff") if is_run else ""
    return pile + _one(x, y, front, fill)


def _one(x: float, y: float, service: str, fill: str) -> str:
    if service == "safe":
        box = f'x="{number(x - 3.8)}" y="{number(y - 3.8)}" width="7.6" height="7.6"'
        return f'<rect {box} fill="{fill}" stroke="{INK}" stroke-width="1.3"/>'
    at = f'cx="{number(x)}" cy="{number(y)}"'
    return f'<circle {at} r="4" fill="{fill}" stroke="{INK}" stroke-width="1.3"/>'


def event(kind: str, x: float, y: float) -> str:
    """What is no message: boot, crash, leave, recovered, a token's passing."""
    at = f"M{number(x)} {number(y)}"
    match kind:
        case "boot":
            return f'<path d="{at}m0 -6l6.5 11h-13z" fill="{INK}"/>'
        case "crash":
            cross = "m-6 -6l12 12m0 -12l-12 12"
            return (
                f'<path d="{at}{cross}" stroke="#fff" stroke-width="6"/>'
                f'<path d="{at}{cross}" stroke="{INK}" stroke-width="3.2"/>'
            )
        case "leave":
            return f'<path d="{at}m-8 0h16m-12 4h8" stroke="{INK}" stroke-width="2.4"/>'
        case "recovered":
            return f'<path d="{at}m0 -5l5 5l-5 5l-5 -5z" fill="#fff" stroke="{INK}"/>'
        case "token":
            return f'<circle cx="{number(x)}" cy="{number(y)}" r="2" fill="#0072B2"/>'
    return ""


def lost(x: float, y: float) -> str:
    """A message that goes nowhere: a short line that ends in a bar."""
    return (
        f'<path d="M{number(x)} {number(y)}l-13 5m-1.5 -3.5l3 7" stroke="{INK}"'
        ' stroke-width="1.3" fill="none"/>'
    )


def hatch_name(colour: str) -> str:
    """The pattern of a transitional configuration."""
    return f"hatch{colour[1:]}"


def hatch(colour: str) -> str:
    """Its definition."""
    return (
        f'<pattern id="{hatch_name(colour)}" width="8" height="8" patternUnits="userSpaceOnUse"'
        f' patternTransform="rotate(45)"><rect width="8" height="8" fill="#fff"/>'
        f'<rect width="2.6" height="8" fill="{blended(colour, 0.45)}"/></pattern>'
    )
