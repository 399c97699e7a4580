"""Studies whose truth is known, for every test of a report: `synthetic` makes one with records and predictions."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from imil_sim.report.analysis import ReportedRun
from imil_sim.study.record import Answer, Consultation, EpochRow, Predictions, RunRecord, TrainingPredictions
from imil_sim.study.spec import RunSpec, content_key
from imil_sim.study.study import Study, parse_study

Floats = NDArray[np.float64]

ENVIRONMENT = {"python": "3.11.9", "torch": "2.13.0", "device": "cpu"}
AUROC, SEED_SD, CORRELATION = 0.80, 0.07, 0.7
CAM = np.outer(np.sin(np.linspace(0, np.pi, 8)), np.sin(np.linspace(0, np.pi, 8)))
"""(height, width): a bump in the middle."""


class Synthetic:
    """Makes studies of which the truth is known; see `__call__`."""

    def __call__(
        self,
        arms: Mapping[str, float],
        seeds: int | Sequence[int] = 10,
        images: int = 200,
        rng_seed: int = 0,
        *,
        auroc: float = AUROC,
        seed_sd: float = SEED_SD,
        image_interaction_sd: float = 0.0,
        correlation: float = CORRELATION,
        tables: Mapping[str, Mapping[str, Any]] | None = None,
        sweeps: Mapping[str, Any] | None = None,
        study: Mapping[str, Any] | None = None,
        copies: Mapping[str, str] | None = None,
        failed: Mapping[tuple[str, int], str] | None = None,
        waiting: Mapping[tuple[str, int], str] | None = None,
        missing: Collection[tuple[str, int]] = (),
        test_sets: Mapping[str, int] | None = None,
        groups: bool = False,
        answers: int = 4,
        environments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> tuple[Study, list[ReportedRun]]:
        """A study, and one `ReportedRun` for every arm and seed of it.

        What a run thinks of an image is Gaussian, of variance 1 over images: the image is easy or hard (for all arms
        and seeds, 6/7 of ``correlation``), or under the weights and batch order of one seed (1/7 of it), images suit
        one arm rather than another (``image_interaction_sd``), and the rest is one run's own. Labels move it up or
        down by the arm's skill and the seed's luck. Equal arguments give equal studies.

        Args:
            arms: by name, the true difference in AUROC from ``auroc`` that the arm is worth: over new seeds and new
                patients it is exactly that. The first arm is the reference and has no feedback. ``mixup``, ``cutmix``
                and ``cutout`` are augmentations, ``placebo`` the placebo, ``random-cells`` random cells like
                ``lesions``, ``baseline`` nothing; any other name is that of an oracle. A name with an @ is that of an
                arm of a sweep; one that is not named here has the effect of its base.
            seeds: how many, or which.
            images: test images, every second one TB.
            rng_seed: of all that is drawn.
            auroc: of an arm of effect 0.
            seed_sd: of the skill over seeds, once for all arms of a seed and once more for each run.
            image_interaction_sd: of an image under one arm, whatever the seed.
            correlation: of the scores of two arms in one seed, in [0, 1 - interaction].
            tables: by arm, what the study file says in [arms.NAME] in place of the above.
            sweeps: the tables [sweeps.NAME] of the study file.
            study: further entries of the study file, laid over those made here: comparisons, title, split, training ...
            copies: by arm, the arm whose predictions it has, to the bit.
            failed: by arm and seed, the reason why the run failed.
            waiting: by arm and seed, what the run waits for.
            missing: arms and seeds without any record.
            test_sets: further test sets and their images; effects are the same there.
            groups: whether images have the attributes ``sex`` and ``marker`` (with some unknown).
            answers: questions asked at each consultation of an arm with feedback, the same images in all arms of a
                seed; every fourth one is abstained from.
            environments: by arm, what its runs were made with besides `ENVIRONMENT`.

        Raises:
            ValueError: an effect cannot be had, or is of an arm that the study does not have.
        """
        of = _study(arms, seeds, images, tables or {}, sweeps or {}, study or {}, test_sets or {})
        if unknown := sorted(set(arms) - set(of.arms)):
            raise ValueError(f"no arm of the study is called {unknown}; it has {list(of.arms)}")
        skills = {arm: self.skill(auroc + _effect(arm, arms), seed_sd) for arm in of.arms}
        world = _World(of, skills, seed_sd, image_interaction_sd, correlation, groups, rng_seed)
        sizes = {"main": images, **(test_sets or {})}
        sets = {name: world.predictions(name, n) for name, n in sizes.items()}
        ends: dict[tuple[str, int], tuple[Literal["failed", "waiting"], str]] = {
            **{run: ("failed", why) for run, why in (failed or {}).items()},
            **{run: ("waiting", why) for run, why in (waiting or {}).items()},
        }
        runs = []
        for number, (arm, spec) in enumerate(of.runs()):
            run = (arm, spec.seed)
            fields: dict[str, Any] = {
                "run_key": content_key([rng_seed, number]), "spec": spec, "n_train": 300,
                "data": {"train": "train-300", **{name: f"{name}-{n}" for name, n in sizes.items()}}, "n_test": sizes,
                "class_names": ("normal", "TB"), "seconds": {"train": 1.5},
                "environment": {**ENVIRONMENT, **(environments or {}).get(arm, {})},
            }  # fmt: skip
            if run in missing:
                runs.append(ReportedRun(*run))
            elif run in ends:
                status, reason = ends[run]
                runs.append(ReportedRun(*run, RunRecord(status=status, reason=reason, **fields)))
            else:
                fields |= {"consultations": _consultations(spec, answers, rng_seed), "history": _history(spec)}
                told = (copies or {}).get(arm, arm), spec.seed
                predictions = {name: shown[told] for name, shown in sets.items()}
                record = RunRecord(status="done", **fields)
                runs.append(ReportedRun(*run, record, predictions, _on_training_images(predictions["main"])))
        return of, runs

    @staticmethod
    def skill(auroc: float, seed_sd: float = SEED_SD) -> float:
        """Half the distance between the two classes that gives an expected AUROC of ``auroc`` over seeds and images."""
        if not 0 < auroc < 1:
            raise ValueError(f"no arm can have an AUROC of {auroc}")
        return float(norm.ppf(auroc)) * math.sqrt(2 + 8 * seed_sd**2) / 2

    def accuracy(self, effect: float = 0.0, *, auroc: float = AUROC, seed_sd: float = SEED_SD) -> float:
        """The true accuracy of an arm of that effect, over new seeds and new patients."""
        return float(norm.cdf(self.skill(auroc + effect, seed_sd) / math.sqrt(1 + 2 * seed_sd**2)))


@pytest.fixture(autouse=True)
def _undrawn(undrawn: None) -> None:
    """Figures are not drawn."""


@pytest.fixture(scope="session")
def synthetic() -> Synthetic:
    """Makes studies whose truth is known; see `Synthetic.__call__`."""
    return Synthetic()


# --------------------------------------------------------------------------------------------------------- the study


def _study(
    arms: Mapping[str, float],
    seeds: int | Sequence[int],
    images: int,
    tables: Mapping[str, Mapping[str, Any]],
    sweeps: Mapping[str, Any],
    further: Mapping[str, Any],
    test_sets: Mapping[str, int],
) -> Study:
    reference, *_ = arms
    written = {
        arm: tables.get(arm, {} if arm == reference else _table(arm)) for arm in arms if "@" not in arm or arm in tables
    }
    feedback = {"imil_epoch": 3, "num_outliers": 20, "grid_size": 4}
    content: dict[str, Any] = {
        "name": "synthetic", "title": "A study whose truth is known", "seeds": seeds,
        "images": {"source": "phantom", "size": 64, "train": 300, "test": images},
        "training": {"epochs": 6}, "model": {"name": "resnet10"}, "arms": written, "sweeps": sweeps,
        "test_sets": {
            name: {"source": "phantom", "size": 64, "seed": number, "test": n}
            for number, (name, n) in enumerate(test_sets.items(), 1)
        },
    }  # fmt: skip
    if any("feedback" in table for table in written.values()):
        content["feedback"] = feedback
    return parse_study({**content, **further}, beside=Path(__file__).parent)


def _table(arm: str) -> dict[str, Any]:
    if arm == "baseline":
        return {}
    if arm in ("mixup", "cutmix", "cutout"):
        return {"augmentation": {"name": arm}}
    if arm == "placebo":
        return {"feedback": {"oracle": "abstain", "reorder": True}}
    if arm == "random-cells":
        return {"feedback": {"oracle": "random-cells", "options": {"like": "lesions"}}}
    return {"feedback": {"oracle": arm}}


def _effect(arm: str, effects: Mapping[str, float]) -> float:
    return effects[arm] if arm in effects else effects[arm.split("@")[0]]


def _consultations(spec: RunSpec, answers: int, rng_seed: int) -> tuple[Consultation, ...]:
    feedback = spec.arm.feedback
    if feedback is None or not answers:
        return ()
    own = sum(feedback.oracle.encode())
    told = []
    for epoch in feedback.imil_epoch:
        rngs = [np.random.default_rng([rng_seed, spec.seed, epoch, number, own]) for number in range(answers)]
        told.append(
            Consultation(
                epoch=epoch, grid=feedback.grid_size, requested=feedback.num_outliers, n_mispredictions=answers + 3,
                n_excluded=0, n_filled_up=0, answers=tuple(_answer(spec, k, rng) for k, rng in enumerate(rngs)),
            )
        )  # fmt: skip
    return tuple(told)


def _history(spec: RunSpec) -> tuple[EpochRow, ...]:
    epochs = range(1, spec.arm.training.epochs + 1)
    return tuple(EpochRow(epoch=epoch, loss=1 / epoch, accuracy=1 - 0.4 / epoch) for epoch in epochs)


class _Asked(NamedTuple):
    image_id: str
    label: int


def _answer(spec: RunSpec, number: int, rng: np.random.Generator) -> Answer:
    feedback = spec.arm.feedback
    assert feedback is not None
    image = _Asked(f"train-{(37 * spec.seed + 11 * number) % 300:04d}", number % 2)
    told: dict[str, Any] = {
        "image_id": image.image_id, "label": image.label, "predicted": 1 - image.label,
        "confidence": 0.99 - 0.01 * number, "mispredicted": True,
    }  # fmt: skip
    if feedback.oracle == "abstain" or number % 4 == 3:
        return Answer(**told, cells=None, reason="nothing to be seen", effect="none")
    size = feedback.grid_size[0] * feedback.grid_size[1]
    chosen = sorted(rng.choice(size, size=min(1 + number, size), replace=False).tolist())
    cells = tuple(cell + 1 for cell in chosen)
    return Answer(**told, cells=cells, note="as drawn", effect="replaced" if len(cells) < size else "none")


# ------------------------------------------------------------------------------------------------------- predictions


class _World(NamedTuple):
    """Seeds and arms of a study; images are drawn set by set."""

    study: Study
    skills: Mapping[str, float]
    seed_sd: float
    interaction_sd: float
    correlation: float
    groups: bool
    rng_seed: int

    def predictions(self, test_set: str, images: int) -> dict[tuple[str, int], Predictions]:
        """By arm and seed, of all runs."""
        own_images = test_set == "main" and next(iter(self.study.arms.values())).split.method == "per-seed"
        scores = self._scores(test_set, images, own_images)
        labels = np.arange(images) % 2
        every = np.arange(images)
        masked = every % 10 != 9
        attributes = {
            "sex": tuple("fm"[i % 3 == 0] for i in range(images)),
            "marker": tuple(("agrees", "disagrees", "agrees", "")[i % 4] for i in range(images)),
        } if self.groups else {}  # fmt: skip
        shared_ids = tuple(f"{test_set}-{i:04d}" for i in range(images))
        lung_share = np.where(masked, 0.3 + 0.1 * np.sin(every), math.nan)
        found = {}
        for a, arm in enumerate(self.study.arms):
            for s, seed in enumerate(self.study.seeds):
                shown = expit(2 * scores[a, s])
                probabilities = np.stack([1 - shown, shown], axis=1)
                hidden = np.where(masked[:, None], 0.5 + 0.4 * (probabilities - 0.5), math.nan)
                found[arm, seed] = Predictions(
                    ids=tuple(f"{test_set}-{seed}-{i:04d}" for i in range(images)) if own_images else shared_ids,
                    labels=labels,
                    probabilities=probabilities,
                    lungs_hidden=hidden,
                    lungs_only=np.where(masked[:, None], probabilities, math.nan),
                    cam_in_lung=np.where(masked, 0.2 + 0.6 * shown, math.nan),
                    lung_share=lung_share,
                    lung_estimated=every % 5 == 0,
                    pointing=np.where(labels == 1, (shown > 0.5).astype(np.float64), math.nan),
                    attributes=attributes,
                    cam_rows=every[:2],
                    cams=np.round(255 * CAM * shown[:2, None, None]).astype(np.uint8),
                )
        return found

    def _scores(self, test_set: str, images: int, own_images: bool) -> Floats:
        """(arms, seeds, images)."""
        arms, seeds = len(self.study.arms), len(self.study.seeds)
        rest = 1 - self.correlation - self.interaction_sd**2
        if rest < 0:
            raise ValueError("correlation and image interaction leave no variance to a run of its own")
        luck = np.random.default_rng([self.rng_seed, 0])
        skill = np.array(list(self.skills.values()))[:, None] + self.seed_sd * (
            luck.standard_normal((1, seeds)) + luck.standard_normal((arms, seeds))
        )
        rng = np.random.default_rng([self.rng_seed, 1, *test_set.encode()])
        drawn = seeds if own_images else 1
        up = 2 * (np.arange(images) % 2) - 1
        return (
            skill[:, :, None] * up
            + math.sqrt(self.correlation * 6 / 7) * rng.standard_normal((1, drawn, images))
            + math.sqrt(self.correlation / 7) * rng.standard_normal((1, seeds, images))
            + self.interaction_sd * rng.standard_normal((arms, drawn, images))
            + math.sqrt(rest) * rng.standard_normal((arms, seeds, images))
        )


def _on_training_images(of: Predictions) -> TrainingPredictions:
    """The same scores, more of them right: every second wrong one is mirrored."""
    shown = of.probabilities.copy()
    wrong = np.flatnonzero(shown.argmax(axis=1) != of.labels)[::2]
    shown[wrong] = shown[wrong, ::-1]
    return TrainingPredictions(of.labels, shown)
