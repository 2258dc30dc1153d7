"""Makes the stage of a scene: the ring, or a history that lies about one."""

from vsync.playground.ring.lies import LIES, LyingStage
from vsync.playground.ring.scenes import SCENES
from vsync.playground.ring.stage import RingStage
from vsync.playground.stage import Action, Stage


class _Ring(RingStage):
    scenes = SCENES


def ring_stage(seed: int | str, options: Action | None = None) -> Stage:
    """Five members, or with ``{"lie": name}`` a made-up history of three."""
    lie = str((options or {}).get("lie"))
    return LyingStage(lie) if lie in LIES else _Ring(seed, options)
