"""`StepRunner`: carries out the steps a run is made of.

What a step depends on makes its key; the store is asked first, and what is made is put there: a step that was done once
is never done again.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from imil_sim.engine.data import ImageLibrary, RunImages, TestSet
from imil_sim.engine.run import UNOBSERVED, Observer
from imil_sim.engine.stages import (
    TRAIN,
    Consult,
    ConsultationResult,
    Evaluate,
    Lineage,
    Step,
    StepResult,
    Train,
    explained_by,
    recipe_of,
    trunk_key,
)
from imil_sim.engine.store import Kind, Store, arrays_in, write_arrays
from imil_sim.errors import AwaitsAnswers, DataError, NonFiniteLoss, OracleError, OracleFailure, OutOfMemory, RunError
from imil_sim.feedback import Grid, ImageIndex, Oracle, Question, make_oracle
from imil_sim.loop import answered, ask, choose, conclude, question_files, questions
from imil_sim.study.record import EpochRow
from imil_sim.study.spec import FeedbackSpec, RunSpec, content_key
from imil_sim.training.cam import grad_cam
from imil_sim.training.evaluate import EVALUATION_REVISION, evaluate, fit, logits
from imil_sim.training.numerics import deterministic
from imil_sim.training.overlay import Overlay, TrainingRows
from imil_sim.training.train import Normalisation, Snapshot, Trained, start_model, train

STAGE = "stage.json"
"""In the entry of a state: its epoch and how it came about."""

FAILURE = "failure.json"
"""In the entry of a stage that diverges: why."""

ATTEMPTS = 3
"""How often a step that runs out of memory is tried."""

_Model = tuple[nn.Module, Normalisation]
_Arrays = Mapping[str, NDArray[Any]]
_History = tuple[EpochRow, ...]


class StepRunner:
    """Carries out steps: holds what does not change from step to step (images, store, device)."""

    def __init__(
        self,
        library: ImageLibrary,
        store: Store,
        device: torch.device,
        beside: Path,
        observer: Observer = UNOBSERVED,
        checkpoint_minutes: float = 10.0,
        oracle_seconds: float = 60.0,
    ) -> None:
        self.library, self.store, self.device, self.beside, self.observer = library, store, device, beside, observer
        self.checkpoint_minutes, self.oracle_seconds = checkpoint_minutes, oracle_seconds
        self._epochs = 0
        self._oracles: dict[str, Oracle] = {}

    def trunk(self, run: RunSpec) -> Lineage:
        """The untrained state of a run."""
        return Lineage(trunk_key(run, self.library.of_run(run).train, self.device, self.beside))

    def carry_out(self, step: Step) -> StepResult:
        """The outcome of a step, or the `RunError` that ends the runs which need it.

        Raises:
            ImilSimError: something is wrong that concerns every run: the store or the images.
        """
        began, self._epochs = time.monotonic(), 0
        outcome: Lineage | ConsultationResult | dict[str, str] | None = None
        failed: RunError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                match step:
                    case Train():
                        outcome = self.train(step)
                    case Consult():
                        outcome = self.consult(step)
                    case Evaluate():
                        outcome = self.evaluate(step)
                break
            except RunError as error:
                failed = error
                break
            except (MemoryError, torch.OutOfMemoryError) as error:
                if attempt == ATTEMPTS:
                    failed = OutOfMemory(
                        f"{step} ran out of memory {attempt} times ({error}); use a smaller batch_size"
                    )
                gc.collect()
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
        return StepResult(step.key, outcome, failed, self._epochs, time.monotonic() - began)

    # ---------------------------------------------------------------------------------------------------------- train

    def train(self, step: Train) -> Lineage:
        """The state the step leads to, trained now or found in the store."""
        target = step.target
        if self.store.find("stages", target.key) is None:
            with self.store.claim(target.key):
                if self.store.find("stages", target.key) is None:  # else whoever was at it has finished meanwhile
                    self._check_not_failed(target)
                    self._check_images(step)
                    self._train_on(step)
        return target

    def _train_on(self, step: Train) -> None:
        start, history = self._nearest(step)
        self.observer.on_stage(start.epoch if start else 0, step.until)
        kept_at = time.monotonic()

        def checkpoint(trained: Trained) -> None:
            """Keep a state on the way: an ordinary one under its own key, so that going on from it is nothing new.

            Checkpoints are a kind of their own, so that dropping them takes away no state that another run needs.
            """
            nonlocal kept_at
            state = step.state.trained(trained.snapshot.epoch, step.overlay)
            self._keep_state("checkpoints", state, trained.snapshot, (*history, *trained.history), step.key)
            kept_at = time.monotonic()
            self._drop_checkpoints(step, state.epoch)

        try:
            with deterministic():
                trained = train(
                    recipe_of(step.run, self.beside),
                    self._images(step).train,
                    self._overlay(step.overlay),
                    start,
                    step.until,
                    device=self.device,
                    on_epoch=self._on_epoch,
                    on_batch=self.observer.on_batch,
                    checkpoint_due=lambda: time.monotonic() - kept_at >= 60 * self.checkpoint_minutes,
                    checkpoint=checkpoint,
                )
        except NonFiniteLoss as error:  # it would diverge again, to the bit, however often it is trained
            reason = json.dumps({"reason": str(error)}, indent=1)
            self.store.put(
                "failures",
                step.key,
                lambda place: (place / FAILURE).write_text(reason, encoding="utf-8"),
                trunk=step.state.trunk,
            )
            self._drop_checkpoints(step, step.until)
            raise
        self._keep_state("stages", step.target, trained.snapshot, (*history, *trained.history))
        self._drop_checkpoints(step, step.until)

    def _on_epoch(self, row: EpochRow) -> None:
        self._epochs += 1
        self.observer.on_epoch(row)

    def _check_not_failed(self, target: Lineage) -> None:
        text = self.store.read("failures", target.key, lambda place: (place / FAILURE).read_text(encoding="utf-8"))
        if text is not None:
            raise NonFiniteLoss(json.loads(text)["reason"])

    def _check_images(self, step: Train) -> None:
        """Stop where the images are no longer those the study began with."""
        self.library.check_unaltered(step.run)
        trunk = self.trunk(step.run)
        if step.state.trunk not in (trunk.trunk, trunk.apart(step.run.arm).trunk):
            raise DataError(
                "the training images are no longer those this study began with; end what alters them and run the same "
                "command again"
            )

    def _nearest(self, step: Train) -> tuple[Snapshot | None, _History]:
        """The latest stored state on the way, and the epochs that led to it: a checkpoint, or the step's start."""
        for epoch in range(step.until - 1, step.state.epoch, -1):
            state = step.state.trained(epoch, step.overlay)
            found = self._state(state) or self._state(state, "checkpoints")
            if found is not None:
                return found
        return self._needed_state(step.state) if step.state.epoch else (None, ())

    def _state(self, state: Lineage, kind: Kind = "stages") -> tuple[Snapshot, _History] | None:
        return self.store.read(
            kind,
            state.key,
            lambda place: (
                Snapshot(state.epoch, load_file(place / "state.safetensors")),
                parse_history((place / "history.csv").read_text(encoding="utf-8")),
            ),
        )

    def _needed_state(self, state: Lineage) -> tuple[Snapshot, _History]:
        found = self._state(state)
        if found is None:
            raise self.store.gone("stages", state.key)
        return found

    def _keep_state(self, kind: Kind, state: Lineage, snapshot: Snapshot, history: _History, towards: str = "") -> None:
        def write(place: Path) -> None:
            try:
                save_file(dict(snapshot.tensors), place / "state.safetensors")
            except SafetensorError as error:  # the library's own name for a full disk
                raise OSError(str(error)) from error
            (place / "history.csv").write_text(history_csv(history), encoding="utf-8")
            about = {"epoch": state.epoch, "segments": [list(segment) for segment in state.segments]}
            (place / STAGE).write_text(json.dumps(about, sort_keys=True, indent=1), encoding="utf-8")

        self.store.put(kind, state.key, write, trunk=state.trunk, towards=towards)

    def _drop_checkpoints(self, step: Train, before: int) -> None:
        """No checkpoint of the stage before that epoch is left, nor one of an earlier process that was killed at it."""
        for epoch in range(step.state.epoch + 1, before):
            key = step.state.trained(epoch, step.overlay).key
            if self.store.holds("checkpoints", key):
                self.store.discard("checkpoints", key)

    # -------------------------------------------------------------------------------------------------------- consult

    def consult(self, step: Consult) -> ConsultationResult:
        """Questions, answers, and the overlay they make; predictions and CAMs are kept, answers are asked anew."""
        feedback = step.run.arm.feedback
        assert feedback is not None
        images = self._images(step).train
        before = self._overlay(step.overlay)
        model = cache(lambda: self._model(step))  # loaded when something is missing, and once
        oracle = self._oracle(feedback)
        seed, number = step.run.seed, step.number
        selection = choose(
            feedback,
            images,
            self._predictions(step, before, model),
            oracle,
            lambda rows, classes: self._cams(step, before, rows, classes, model)[1]["predicted"],
            step.answered,
            seed=seed,
            number=number,
        )
        cams_key, cams = self._cams(step, before, selection.indices, selection.predicted, model)
        asked = questions(images, selection, cams["predicted"], cams["true"], Grid(*feedback.grid_size), number)
        try:
            answers = ask(oracle, asked, seed, number, self.oracle_seconds)
        except AwaitsAnswers as error:
            index = self.library.image_index(step.run.arm.images)
            place = put_questions(self.store, step.key, asked, feedback, step.state, index)
            raise AwaitsAnswers(f"{error}. The questions lie in {place} of the store", place) from error
        consultation, overlay = conclude(
            feedback, step.state.epoch, selection, asked, answers, images, before, seed=seed, number=number
        )
        if overlay.key and self.store.find("overlays", overlay.key) is None:
            self._put_arrays("overlays", overlay.key, step.state.trunk, overlay.to_arrays())
        return ConsultationResult(consultation, overlay.key, step.answered | answered(consultation), cams_key)

    def _predictions(self, step: Consult, overlay: Overlay, model: Callable[[], _Model]) -> NDArray[np.float32]:
        """Logits (n, classes) of the training images, as the model is being trained on them."""
        images = self._images(step).train

        def compute() -> _Arrays:
            network, normalise = model()
            pixels = _as_trained(images, overlay, np.arange(len(images)))
            return {"logits": logits(network, pixels, normalise, self.device)}

        key = content_key({"state": step.state.key, "revision": EVALUATION_REVISION})
        return self._arrays("predictions", key, step.state.trunk, compute)["logits"]

    def _cams(
        self,
        step: Consult,
        overlay: Overlay,
        rows: NDArray[np.int64],
        predicted: NDArray[np.int64],
        model: Callable[[], _Model],
    ) -> tuple[str, _Arrays]:
        """Key and arrays of the Grad-CAMs (k, height, width) of some rows: ``predicted`` and ``true`` class."""
        images, layer = self._images(step).train, step.run.arm.model.cam_layer

        def compute() -> _Arrays:
            network, normalise = model()
            inputs = normalise(torch.from_numpy(_as_trained(images, overlay, rows)).to(self.device))
            return {
                "predicted": grad_cam(network, inputs, predicted, layer=layer),
                "true": grad_cam(network, inputs, images.labels[rows], layer=layer),
            }

        about = {"state": step.state.key, "rows": rows.tolist(), "revision": EVALUATION_REVISION}
        key = content_key(about | explained_by(step.run))
        return key, self._arrays("cams", key, step.state.trunk, compute)

    def _oracle(self, feedback: FeedbackSpec) -> Oracle:
        """The oracle of a spec, made once: it is frozen, and looking it up takes longer than an answer."""
        key = content_key([feedback.oracle, feedback.options])
        if key not in self._oracles:
            try:
                self._oracles[key] = make_oracle(feedback.oracle, feedback.options)
            except OracleError as error:  # it could be made when the study was checked: its files have gone since
                raise OracleFailure(str(error)) from error
        return self._oracles[key]

    # ------------------------------------------------------------------------------------------------------- evaluate

    def evaluate(self, step: Evaluate) -> dict[str, str]:
        """The key of the predictions on every test set, by its name, and of those on the training images."""
        model = cache(lambda: self._model(step))
        tests = {name: self._evaluate_set(step, test, model) for name, test in self._images(step).tests.items()}

        def compute() -> _Arrays:
            network, normalise = model()
            return fit(network, self._images(step).train, normalise, self.device).to_arrays()

        key = content_key({"state": step.state.key, "train": True, "revision": EVALUATION_REVISION})
        self._arrays("evaluations", key, step.state.trunk, compute)
        return {**tests, TRAIN: key}

    def _evaluate_set(self, step: Evaluate, test: TestSet, model: Callable[[], _Model]) -> str:
        def compute() -> _Arrays:
            network, normalise = model()
            layer = step.run.arm.model.cam_layer
            return evaluate(network, test.images, test.estimated, normalise, self.device, layer).to_arrays()

        about = {"state": step.state.key, "test": test.images.fingerprint, "revision": EVALUATION_REVISION}
        key = content_key(about | explained_by(step.run))
        self._arrays("evaluations", key, step.state.trunk, compute)
        return key

    # ------------------------------------------------------------------------------------------------------- together

    def _images(self, step: Step) -> RunImages:
        return self.library.of_run(step.run)

    def _model(self, step: Consult | Evaluate) -> _Model:
        images = self._images(step).train
        snapshot, _ = self._needed_state(step.state)
        model = start_model(recipe_of(step.run, self.beside), images, snapshot, self.device)
        return model, Normalisation.of(images, step.run.arm.model)

    def _overlay(self, key: str) -> Overlay:
        return Overlay.from_arrays(self.store.needed("overlays", key, arrays_in)) if key else Overlay()

    def _arrays(self, kind: Kind, key: str, trunk: str, compute: Callable[[], _Arrays]) -> _Arrays:
        """The arrays of an entry; computed and kept where there is none."""
        found: _Arrays | None = self.store.read(kind, key, arrays_in)
        if found is None:
            with deterministic():
                found = compute()
            self._put_arrays(kind, key, trunk, found)
        return found

    def _put_arrays(self, kind: Kind, key: str, trunk: str, arrays: _Arrays) -> None:
        self.store.put(kind, key, lambda place: write_arrays(place / "arrays.npz", arrays), trunk=trunk)


def parse_history(text: str) -> _History:
    """The rows of a history.csv."""
    rows = csv.DictReader(io.StringIO(text))
    return tuple(EpochRow(epoch=int(r["epoch"]), loss=float(r["loss"]), accuracy=float(r["accuracy"])) for r in rows)


def history_csv(rows: _History) -> str:
    """The inverse of `parse_history`."""
    lines = [f"{row.epoch},{row.loss!r},{row.accuracy!r}" for row in rows]
    return "\n".join(["epoch,loss,accuracy", *lines, ""])


def put_questions(
    store: Store, key: str, asked: Sequence[Question], feedback: FeedbackSpec, state: Lineage, images: ImageIndex
) -> str:
    """Where in the store the questions of consultation ``key`` lie: ``questions/KEY``; what is there stays as it is."""
    files = question_files(asked, feedback, state.epoch, state.key, images)

    def write(place: Path) -> None:
        for name, content in files.items():
            (place / name).write_bytes(content)

    if store.find("questions", key) is None:
        store.put("questions", key, write, trunk=state.trunk)
    return f"questions/{key}"


def _as_trained(images: Any, overlay: Overlay, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    shown = TrainingRows(images, overlay, torch.device("cpu")).pixels(torch.from_numpy(rows)).numpy()
    return np.asarray(shown, np.uint8)
