"""States of training and the steps of a run, each under a key, so that equal ones meet whoever asks for them.

A key is a hash of everything that can move the numbers. The *content* of the overlay enters it, not the oracle's name:
two oracles that give equal answers share one branch. A step says by keys alone what is to be done, so that it can be
sent to another process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from imil_sim.images.image_set import ImageSet
from imil_sim.study.record import Consultation
from imil_sim.study.spec import ArmSpec, RunSpec, content_key
from imil_sim.training import numerics
from imil_sim.training.evaluate import EVALUATION_REVISION
from imil_sim.training.models import weights_fingerprint
from imil_sim.training.train import TRAINING_REVISION, Recipe

TRAIN = "train"
"""What stands for the training images where test sets have names."""


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


# ---------------------------------------------------------------------------------------------------------- the steps


@dataclass(frozen=True, slots=True)
class Train:
    """Train from one state on to another; gives the `Lineage` of the state reached."""

    run: RunSpec
    state: Lineage
    """Where it begins."""
    overlay: str
    """Key of the overlay to train under; ``""``: none."""
    until: int
    """Completed epochs at the end."""

    @property
    def target(self) -> Lineage:
        """The state it leads to."""
        return self.state.trained(self.until, self.overlay)

    @property
    def key(self) -> str:
        """Equal for steps that do the same."""
        return self.target.key

    def __str__(self) -> str:
        return f"training from epoch {self.state.epoch} to {self.until}"


@dataclass(frozen=True, slots=True)
class Consult:
    """Ask the oracle at a state; gives a `ConsultationResult`."""

    run: RunSpec
    state: Lineage
    number: int
    """Of the consultation within the run, from 1."""
    overlay: str
    answered: frozenset[str]

    @property
    def key(self) -> str:
        """Equal for steps that ask the same: the oracle and its options, not the arm they belong to."""
        feedback = self.run.arm.feedback
        question = feedback.question if feedback else None
        about = [self.state.key, self.overlay, sorted(self.answered), self.number, question, self.run.seed]
        return content_key(["consult", *about, *explained_by(self.run).values()])

    def __str__(self) -> str:
        return f"consultation {self.number} after epoch {self.state.epoch}"


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Test a state on every test set; gives the key of each evaluation by the name of the test set."""

    run: RunSpec
    state: Lineage

    @property
    def key(self) -> str:
        """Equal for steps that test the same state on the same sets."""
        arm = self.run.arm
        sets = {name: source.text for name, source in arm.test_sets.items()}
        explained = explained_by(self.run).values()
        return content_key(["evaluate", self.state.key, arm.images.text, arm.split.text, sets, *explained])

    def __str__(self) -> str:
        return f"the evaluation after epoch {self.state.epoch}"


Step = Train | Consult | Evaluate


def explained_by(run: RunSpec) -> dict[str, str]:
    """What a key says of the layer that Grad-CAM explains; nothing where it is the last block."""
    layer = run.arm.model.cam_layer
    return {"cam_layer": layer} if layer else {}


@dataclass(frozen=True, slots=True)
class ConsultationResult:
    """What a consultation leads to."""

    consultation: Consultation
    overlay: str
    """Key of the overlay from now on."""
    answered: frozenset[str]
    """Ids of the images about which an answer has been given so far."""
    cams: str
    """Key of the CAMs that were shown."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step that was carried out, or failed."""

    key: str
    """Of the step."""
    outcome: Lineage | ConsultationResult | dict[str, str] | None
    """What the step gives; None where it failed."""
    error: BaseException | None = None
    epochs: int = 0
    """Epochs trained for it, not counting those the store held."""
    seconds: float = 0.0
