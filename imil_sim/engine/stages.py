"""Keys: what a state of training is called, so that equal states meet whoever asks for them.

A key is a hash of everything that can move the numbers. The *content* of the overlay enters it, not the oracle's name:
two oracles that give equal answers share one branch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from imil_sim.images.image_set import ImageSet
from imil_sim.study.spec import ArmSpec, RunSpec, content_key
from imil_sim.training import numerics
from imil_sim.training.evaluate import EVALUATION_REVISION
from imil_sim.training.models import weights_fingerprint
from imil_sim.training.train import TRAINING_REVISION, Recipe


def recipe_of(run: RunSpec, beside: Path) -> Recipe:
    """The part of a run's spec that training depends on besides images and overlay."""
    return Recipe(run.arm.model, run.arm.training, run.arm.augmentation, run.seed, beside)


def trunk_key(run: RunSpec, images: ImageSet, device: torch.device, beside: Path) -> str:
    """The key of an untrained state: runs with equal trunk keys are the same run until feedback parts them."""
    return content_key(
        {
            "revision": TRAINING_REVISION,
            "environment": numerics.environment(device),
            "images": images.training_fingerprint,
            "weights": weights_fingerprint(run.arm.model, beside),
            "recipe": run.arm.recipe,
            "seed": run.seed,
        }
    )


@dataclass(frozen=True, slots=True)
class Lineage:
    """How a state of training came about: the trunk's key, and from which epoch to which under which overlay."""

    trunk: str
    segments: tuple[tuple[int, str], ...] = ()
    """(completed epochs at the end, overlay key); neighbours with equal overlays are one segment."""

    @property
    def epoch(self) -> int:
        """Completed epochs."""
        return self.segments[-1][0] if self.segments else 0

    @property
    def forks(self) -> tuple[int, ...]:
        """Completed epochs at which the overlay changed."""
        return tuple(end for end, _ in self.segments[:-1])

    @property
    def key(self) -> str:
        """The state's key."""
        return content_key({"trunk": self.trunk, "segments": self.segments})

    def apart(self, arm: ArmSpec) -> Lineage:
        """The same untrained state under a key that no other arm has: for training every run straight."""
        return Lineage(content_key([self.trunk, "apart", arm.text]))

    def trained(self, until: int, overlay: str) -> Lineage:
        """The lineage after training on, to ``until`` completed epochs, under the overlay of that key."""
        done = self.segments
        if done and done[-1][1] == overlay:
            done = done[:-1]
        return replace(self, segments=(*done, (until, overlay)))


def run_key(run: RunSpec, fingerprints: dict[str, str], device: torch.device) -> str:
    """The key of a run: its whole spec, the images' content, revisions and environment; not the oracle's answers."""
    return content_key(
        {
            "revision": [TRAINING_REVISION, EVALUATION_REVISION],
            "environment": numerics.environment(device),
            "arm": run.arm.placeless,
            "seed": run.seed,
            "images": fingerprints,
        }
    )
