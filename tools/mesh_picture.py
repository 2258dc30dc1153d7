"""Draws ``docs/mesh/residuals.svg``: a mesh with one slow way, and what its loops see.  [I/O]

::

    python -m tools.mesh_picture            writes it; the same picture every time
    python -m tools.mesh_picture out.png    elsewhere, as what its name says

Five simulated hosts, a path of 1 ms with queues between each two; the way from 2 to 5 takes 300 us
longer than the way back. Left: what each pair says alone minus what the whole graph makes of it.
Right: what the offsets around each loop of three sum to; only the loops with 2-5 do not close.
"""

import math
import sys
from pathlib import Path

from clocksync import drawing
from clocksync.meshing.coordinator import Collected
from clocksync.meshing.result import MeshResult
from clocksync.meshing.solve import solve

PICTURE = Path(__file__).parent.parent / "docs" / "mesh" / "residuals.svg"
HOSTS, SLOW, EXTRA_NS = 5, (2, 5), 300_000


def simulated() -> Collected:
    """The samples of such a mesh."""
    from clocksync.runtime.simulation import Link, Pareto
    from clocksync.runtime.units import MICROSECOND
    from tests.cluster.mesh_world import Lab, where

    lab = Lab(
        "picture", HOSTS, offsets={n: n * 1_000_000 for n in range(1, HOSTS + 1)}, rates={3: 40.0}
    )
    slow = Link(delay=Pareto(400 * MICROSECOND + EXTRA_NS, 100 * MICROSECOND, 1.5))
    lab.world.link(where(SLOW[0]), where(SLOW[1]), slow)
    return lab.run()


def triangles(result: MeshResult) -> list[tuple[str, float]]:
    """Each loop of three and what the measured offsets around it sum to, us; the largest last."""
    value = {(path.a, path.b): path.offset_ns / 1000 for path in result.paths}
    found = [
        (f"{a}-{b}-{c}", value[a, b] + value[b, c] - value[a, c])
        for a, b in value
        for c in range(b + 1, HOSTS + 1)
        if (b, c) in value and (a, c) in value
    ]
    return sorted(found, key=lambda loop: abs(loop[1]))


def draw(result: MeshResult, path: Path) -> None:
    """The picture."""
    drawing.library().rcParams["font.size"] = 11
    figure = drawing.new_figure(figsize=(11, 5))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    places = {
        n: (math.sin(2 * math.pi * (n - 1) / HOSTS), math.cos(2 * math.pi * (n - 1) / HOSTS))
        for n in range(1, HOSTS + 1)
    }
    for each in result.paths:
        (x1, y1), (x2, y2) = places[each.a], places[each.b]
        is_named = each.asymmetry_ns is not None
        color = "#c0392b" if is_named else "#7f8c8d"
        left.plot([x1, x2], [y1, y2], color=color, linewidth=3.5 if is_named else 1.2, zorder=1)
        share = 0.26 if each.b - each.a in (2, 3) else 0.5  # chords cross in their middles
        left.text(
            x1 + (x2 - x1) * share,
            y1 + (y2 - y1) * share,
            f"{each.residual_ns / 1000:+.1f}",
            ha="center",
            va="center",
            color=color,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            fontsize=10,
            zorder=2,
        )
    for number, (x, y) in places.items():
        left.scatter([x], [y], s=620, color="#2c3e50", zorder=3)
        left.text(x, y, str(number), ha="center", va="center", color="white", zorder=4)
    left.set_title("residual of each pair, us")
    left.set_axis_off()
    left.set_aspect("equal")
    left.margins(0.15)
    loops = triangles(result)
    names = [name for name, _ in loops]
    concerned = [all(str(end) in name.split("-") for end in SLOW) for name in names]
    colors = ["#c0392b" if is_concerned else "#7f8c8d" for is_concerned in concerned]
    bars = right.barh(names, [value for _, value in loops], color=colors)
    right.bar_label(bars, fmt="%+.1f", padding=4, fontsize=10)
    right.axvline(0, color="#2c3e50", linewidth=0.8)
    right.set_title("what offsets around a loop of three sum to, us")
    right.margins(x=0.2)
    right.spines[["top", "right", "left"]].set_visible(False)
    right.tick_params(left=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.save(figure, path, dpi=110)


def main(arguments: list[str]) -> int:
    result = solve(simulated())
    path = Path(arguments[0]) if arguments else PICTURE
    draw(result, path)
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
