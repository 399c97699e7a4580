"""The steps a run is made of, and the `StepRunner` that carries one out.

A step says what is to be done by keys alone, so that it can be sent to another process. What it depends on makes its
key; the store is asked first, and what is made is put there: a step that was done once is never done again.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from imil_sim.engine.arrays import read_arrays, write_arrays
from imil_sim.engine.consult import ask_all, consult, questions
from imil_sim.engine.data import ImageLibrary, RunImages, TestSet, lung_mask
from imil_sim.engine.questions import put_questions
from imil_sim.engine.stages import Lineage, recipe_of, trunk_key
from imil_sim.engine.store import Kind, Store
from imil_sim.errors import AwaitsAnswers, DataError, NonFiniteLoss, OracleError, OracleFailure, OutOfMemory, RunError
from imil_sim.feedback import Grid, Oracle, make_oracle
from imil_sim.feedback.selection import Selection, select, share_outside
from imil_sim.seeds import stream
from imil_sim.sessions.recorded import unanswerable
from imil_sim.study.record import Consultation, EpochRow
from imil_sim.study.spec import FeedbackSpec, RunSpec, content_key
from imil_sim.training.cam import grad_cam
from imil_sim.training.evaluate import EVALUATION_REVISION, evaluate, fit, logits
from imil_sim.training.numerics import deterministic
from imil_sim.training.overlay import Overlay, TrainingRows
from imil_sim.training.train import Normalisation, Snapshot, Trained, start_model, train


@dataclass(frozen=True, slots=True)
class Train:
    """Train from one state on to another; gives the `Lineage` of the state reached."""

    run: RunSpec
    start: Lineage
    overlay: str
    """Key of the overlay to train under; ``""``: none."""
    until: int
    """Completed epochs at the end."""

    @property
    def target(self) -> Lineage:
        """The state it leads to."""
        return self.start.trained(self.until, self.overlay)

    @property
    def key(self) -> str:
        """Equal for steps that do the same."""
        return self.target.key


@dataclass(frozen=True, slots=True)
class Consult:
    """Ask the oracle at a state; gives a `Consulted`."""

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
        asked = feedback.question if feedback else None
        about = [self.state.key, self.overlay, sorted(self.answered), self.number, asked, self.run.seed]
        return content_key(["consult", *about, *explained_by(self.run).values()])


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
        explained = list(explained_by(self.run).values())
        return content_key(["evaluate", self.state.key, arm.images.text, arm.split.text, sets, *explained])


Step = Train | Consult | Evaluate


def explained_by(run: RunSpec) -> dict[str, str]:
    """What a key says of the layer that Grad-CAM explains; nothing where it is the last block."""
    layer = run.arm.model.cam_layer
    return {"cam_layer": layer} if layer else {}


STAGE = "stage.json"
"""In the entry of a state: its epoch and how it came about."""

TRAIN = "train"
"""What stands for the training images where test sets have names."""

FAILURE = "failure.json"
"""In the entry of a stage that diverges: why."""


@dataclass(frozen=True, slots=True)
class Consulted:
    """What a consultation leads to."""

    consultation: Consultation
    overlay: str
    """Key of the overlay from now on."""
    answered: frozenset[str]
    """Ids of the images somebody has answered about so far."""
    cams: str
    """Key of the CAMs that were shown."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Observers of the work; they may read, not write."""

    on_stage: Callable[[int, int], None] = lambda start, until: None
    """Before training from one epoch to another; not called for what the store holds."""
    on_epoch: Callable[[EpochRow], None] = lambda row: None
    on_batch: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was carried out, or failed."""

    key: str
    """Of the step."""
    outcome: Any
    """What the step gives; None where it failed."""
    error: BaseException | None = None
    epochs: int = 0
    """Epochs trained for it, not counting those the store held."""
    seconds: float = 0.0


_Model = tuple[nn.Module, Normalisation]

ATTEMPTS = 3
"""How often a step that runs out of memory is tried."""


NOBODY = Watch()
"""No observer."""


class StepRunner:
    """Carries out steps: holds what does not change from step to step (images, store, device)."""

    def __init__(
        self,
        library: ImageLibrary,
        store: Store,
        device: torch.device,
        beside: Path,
        watch: Watch = NOBODY,
        checkpoint_minutes: float = 10.0,
        oracle_seconds: float = 60.0,
    ) -> None:
        self.library, self.store, self.device, self.beside, self.watch = library, store, device, beside, watch
        self.checkpoint_minutes, self.oracle_seconds = checkpoint_minutes, oracle_seconds
        self._epochs = 0
        self._oracles: dict[str, Oracle] = {}

    def trunk(self, run: RunSpec) -> Lineage:
        """The untrained state of a run."""
        return Lineage(trunk_key(run, self.library.of_run(run).train, self.device, self.beside))

    def carry_out(self, step: Step) -> Done:
        """The outcome of a step, or the `RunError` that ends the runs which need it.

        Raises:
            ImilSimError: something is wrong that concerns every run: the store or the images.
        """
        began, self._epochs = time.monotonic(), 0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                outcome = self._outcome(step)
            except RunError as error:
                return Done(step.key, None, error, self._epochs, time.monotonic() - began)
            except (MemoryError, torch.OutOfMemoryError) as error:
                if attempt == ATTEMPTS:
                    reason = f"{describe(step)} ran out of memory {ATTEMPTS} times ({error}); use a smaller batch_size"
                    return Done(step.key, None, OutOfMemory(reason), self._epochs, time.monotonic() - began)
                gc.collect()
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
            else:
                break
        return Done(step.key, outcome, None, self._epochs, time.monotonic() - began)

    def _outcome(self, step: Step) -> Lineage | Consulted | dict[str, str]:
        match step:
            case Train():
                return self.train(step)
            case Consult():
                return self.consult(step)
            case Evaluate():
                return self.evaluate(step)

    def train(self, step: Train) -> Lineage:
        """The state the step leads to, trained now or found in the store."""
        target = step.target
        if self.store.find("stages", target.key) is not None:
            return target
        with self.store.claim(target.key):
            if self.store.find("stages", target.key) is not None:
                return target  # the process that was at it has finished meanwhile
            self._recall_failure(target)
            self._check_images(step)
            self._train_on(step)
        return target

    def _train_on(self, step: Train) -> None:
        start, history = self._nearest(step)
        self.watch.on_stage(start.epoch if start else 0, step.until)
        keeper = _Checkpoints(self, step, history)
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
                    on_batch=self.watch.on_batch,
                    checkpoint_due=keeper.due,
                    checkpoint=keeper.keep,
                )
        except NonFiniteLoss as error:
            self._keep_failure(step.target, error)
            keeper.discard()
            raise
        self._keep_state("stages", step.target, trained.snapshot, (*history, *trained.history))
        keeper.discard()

    def _on_epoch(self, row: EpochRow) -> None:
        self._epochs += 1
        self.watch.on_epoch(row)

    def _keep_failure(self, target: Lineage, error: NonFiniteLoss) -> None:
        """Put on record that this stage diverges: it would do so again, to the bit, however often it is trained."""

        def write(place: Path) -> None:
            (place / FAILURE).write_text(json.dumps({"reason": str(error)}, indent=1), encoding="utf-8")

        self.store.put("failures", target.key, write, trunk=target.trunk)

    def _recall_failure(self, target: Lineage) -> None:
        """Check that this stage is not on record to diverge.

        Raises:
            NonFiniteLoss: it is.
        """
        text = self.store.read("failures", target.key, lambda place: (place / FAILURE).read_text(encoding="utf-8"))
        if text is not None:
            raise NonFiniteLoss(json.loads(text)["reason"])

    def _check_images(self, step: Train) -> None:
        """Stop where the images are no longer those the study began with."""
        self.library.check_unaltered(step.run)
        if step.start.trunk not in self._trunks_of(step.run):
            raise DataError(
                "the training images are no longer those this study began with; end what alters them and run the same "
                "command again"
            )

    def _trunks_of(self, run: RunSpec) -> set[str]:
        trunk = self.trunk(run)
        return {trunk.trunk, trunk.apart(run.arm).trunk}

    def _nearest(self, step: Train) -> tuple[Snapshot | None, tuple[EpochRow, ...]]:
        """The latest stored state on the way, and the epochs that led to it: a checkpoint, or the step's start."""
        for epoch in range(step.until - 1, step.start.epoch, -1):
            state = step.start.trained(epoch, step.overlay)
            found = self._state(state) or self._state(state, "checkpoints")
            if found is not None:
                return found
        if not step.start.epoch:
            return None, ()
        found = self._state(step.start)
        if found is None:
            raise self.store.gone("stages", step.start.key)
        return found

    def _state(self, state: Lineage, kind: Kind = "stages") -> tuple[Snapshot, tuple[EpochRow, ...]] | None:
        return self.store.read(
            kind,
            state.key,
            lambda place: (
                Snapshot(state.epoch, load_file(place / "state.safetensors")),
                parse_history((place / "history.csv").read_text(encoding="utf-8")),
            ),
        )

    def _keep_state(
        self, kind: Kind, state: Lineage, snapshot: Snapshot, history: tuple[EpochRow, ...], towards: str = ""
    ) -> None:
        def write(place: Path) -> None:
            _save_tensors(snapshot.tensors, place / "state.safetensors")
            (place / "history.csv").write_text(history_csv(history), encoding="utf-8")
            about = {"epoch": state.epoch, "segments": [list(segment) for segment in state.segments]}
            (place / STAGE).write_text(json.dumps(about, sort_keys=True, indent=1), encoding="utf-8")

        self.store.put(kind, state.key, write, trunk=state.trunk, towards=towards)

    def consult(self, step: Consult) -> Consulted:
        """Questions, answers, and the overlay they make; predictions and CAMs are kept, answers are asked anew."""
        feedback = step.run.arm.feedback
        assert feedback is not None
        images = self._images(step).train
        before = self._overlay(step.overlay)
        model = cache(lambda: self._model(step))  # loaded when something is missing, and once
        found = self._predictions(step, before, model)
        oracle = self._oracle(feedback)
        exclude = unanswerable(oracle, images.ids) | (frozenset() if feedback.revisit else step.answered)
        selection = select(
            feedback.selection,
            found,
            images.labels,
            images.ids,
            feedback.num_outliers,
            exclude=exclude,
            fill_up=feedback.fill_up,
            rng=stream(step.run.seed, "select", step.number),
            outside=lambda candidates: self._outside_lungs(step, before, candidates, model),
        )
        cams_key, cams = self._cams(step, before, selection, model)
        grid = Grid(*feedback.grid_size)
        asked = questions(images, selection, cams["predicted"], cams["true"], grid, step.number)
        try:
            answers = ask_all(oracle, asked, step.run.seed, step.number, self.oracle_seconds)
        except AwaitsAnswers as error:
            index = self.library.image_index(step.run.arm.images)
            place = put_questions(self.store, step.key, asked, feedback, step.state, index)
            raise AwaitsAnswers(f"{error}. The questions lie in {place} of the store", str(place)) from error
        result = consult(
            feedback,
            step.state.epoch,
            selection,
            asked,
            answers,
            images,
            before,
            step.answered,
            seed=step.run.seed,
            number=step.number,
        )
        if result.overlay.key and self.store.find("overlays", result.overlay.key) is None:
            arrays = result.overlay.to_arrays()
            self.store.put(
                "overlays",
                result.overlay.key,
                lambda place: write_arrays(place / "arrays.npz", arrays),
                trunk=step.state.trunk,
            )
        return Consulted(result.consultation, result.overlay.key, result.answered, cams_key)

    def evaluate(self, step: Evaluate) -> dict[str, str]:
        """The key of the predictions on every test set, by its name, and of those on the training images."""
        model = cache(lambda: self._model(step))
        tests = {name: self._evaluate_set(step, test, model) for name, test in self._images(step).tests.items()}
        return {**tests, TRAIN: self._fit(step, model)}

    # ------------------------------------------------------------------------------------------------- what is kept

    def _evaluate_set(self, step: Evaluate, test: TestSet, model: Callable[[], _Model]) -> str:
        def compute() -> Mapping[str, NDArray[np.generic]]:
            network, normalise = model()
            return evaluate(
                network, test.images, test.estimated, normalise, self.device, step.run.arm.model.cam_layer
            ).to_arrays()

        about = {"state": step.state.key, "test": test.images.fingerprint, "revision": EVALUATION_REVISION}
        key = content_key(about | explained_by(step.run))
        self._arrays("evaluations", key, step.state.trunk, compute)
        return key

    def _fit(self, step: Evaluate, model: Callable[[], _Model]) -> str:
        def compute() -> Mapping[str, NDArray[np.generic]]:
            network, normalise = model()
            return fit(network, self._images(step).train, normalise, self.device).to_arrays()

        key = content_key({"state": step.state.key, "train": True, "revision": EVALUATION_REVISION})
        self._arrays("evaluations", key, step.state.trunk, compute)
        return key

    def _predictions(self, step: Consult, overlay: Overlay, model: Callable[[], _Model]) -> NDArray[np.float32]:
        """Logits (n, classes) of the training images, as the model is being trained on them."""
        images = self._images(step).train

        def compute() -> Mapping[str, NDArray[np.float32]]:
            network, normalise = model()
            pixels = _as_trained(images, overlay, np.arange(len(images)))
            return {"logits": logits(network, pixels, normalise, self.device)}

        key = content_key({"state": step.state.key, "revision": EVALUATION_REVISION})
        return self._arrays("predictions", key, step.state.trunk, compute)["logits"]

    def _cams(
        self, step: Consult, overlay: Overlay, selection: Selection, model: Callable[[], _Model]
    ) -> tuple[str, dict[str, NDArray[np.float32]]]:
        """Key and arrays of the selected images' Grad-CAMs (k, height, width): ``predicted`` and ``true`` class."""
        images, layer = self._images(step).train, step.run.arm.model.cam_layer

        def compute() -> Mapping[str, NDArray[np.float32]]:
            network, normalise = model()
            pixels = torch.from_numpy(_as_trained(images, overlay, selection.indices)).to(self.device)
            labels = images.labels[selection.indices]
            inputs = normalise(pixels)
            return {
                "predicted": grad_cam(network, inputs, selection.predicted, layer=layer),
                "true": grad_cam(network, inputs, labels, layer=layer),
            }

        about = {"state": step.state.key, "rows": selection.indices.tolist(), "revision": EVALUATION_REVISION}
        key = content_key(about | explained_by(step.run))
        return key, self._arrays("cams", key, step.state.trunk, compute)

    def _outside_lungs(
        self, step: Consult, overlay: Overlay, candidates: Selection, model: Callable[[], _Model]
    ) -> NDArray[np.float64]:
        """(k,): the share of each candidate's heat-map outside its lungs; nan where no lungs are known or estimated."""
        images = self._images(step).train
        _, cams = self._cams(step, overlay, candidates, model)
        lungs = (lung_mask(images, row)[0] for row in candidates.indices.tolist())
        return np.array([share_outside(cam, lung) for cam, lung in zip(cams["predicted"], lungs, strict=True)])

    def _arrays(
        self, kind: Kind, key: str, trunk: str, compute: Callable[[], Mapping[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        def load(place: Path) -> dict[str, NDArray[Any]]:
            return read_arrays(place / "arrays.npz")

        held = self.store.read(kind, key, load)
        if held is not None:
            return held
        with deterministic():
            found = compute()
        self.store.put(kind, key, lambda place: write_arrays(place / "arrays.npz", found), trunk=trunk)
        return dict(found)

    def _oracle(self, feedback: FeedbackSpec) -> Oracle:
        """The oracle of a spec, made once: it is frozen, and looking it up takes longer than an answer."""
        key = content_key([feedback.oracle, feedback.options])
        if key not in self._oracles:
            try:
                self._oracles[key] = make_oracle(feedback.oracle, feedback.options)
            except OracleError as error:  # it could be made when the study was checked: its files have gone since
                raise OracleFailure(str(error)) from error
        return self._oracles[key]

    def _images(self, step: Step) -> RunImages:
        return self.library.of_run(step.run)

    def _model(self, step: Consult | Evaluate) -> _Model:
        images = self._images(step).train
        found = self._state(step.state)
        if found is None:
            raise self.store.gone("stages", step.state.key)
        model = start_model(recipe_of(step.run, self.beside), images, found[0], self.device)
        return model, Normalisation.of(images, step.run.arm.model)

    def _overlay(self, key: str) -> Overlay:
        if not key:
            return Overlay()
        arrays = self.store.read("overlays", key, lambda place: read_arrays(place / "arrays.npz"))
        if arrays is None:
            raise self.store.gone("overlays", key)
        return Overlay.from_arrays(arrays)


class _Checkpoints:
    """States on the way through a long stage: kept every so many minutes, and dropped when the stage is done.

    Each is an ordinary state of training under its own key, so that going on from one is nothing new. They are a kind
    of their own, so that dropping them takes away no state that another run ends at or branches from.
    """

    def __init__(self, step_runner: StepRunner, step: Train, history: tuple[EpochRow, ...]) -> None:
        self._runner, self._step, self._history = step_runner, step, history
        self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= 60 * self._runner.checkpoint_minutes

    def keep(self, trained: Trained) -> None:
        state = self._step.start.trained(trained.snapshot.epoch, self._step.overlay)
        history = (*self._history, *trained.history)
        self._runner._keep_state("checkpoints", state, trained.snapshot, history, self._step.key)
        self._last = time.monotonic()
        self._discard(trained.snapshot.epoch)

    def discard(self) -> None:
        """No checkpoint of the stage is left, nor of an earlier process that was killed at it."""
        self._discard(self._step.until)

    def _discard(self, before: int) -> None:
        store = self._runner.store
        for epoch in range(self._step.start.epoch + 1, before):
            key = self._step.start.trained(epoch, self._step.overlay).key
            if store.holds("checkpoints", key):
                store.discard("checkpoints", key)


def _save_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:  # the library's own name for a full disk
        raise OSError(str(error)) from error


def parse_history(text: str) -> tuple[EpochRow, ...]:
    """The rows of a history.csv."""
    rows = csv.DictReader(io.StringIO(text))
    return tuple(EpochRow(epoch=int(r["epoch"]), loss=float(r["loss"]), accuracy=float(r["accuracy"])) for r in rows)


def history_csv(rows: tuple[EpochRow, ...]) -> str:
    """The inverse of `parse_history`."""
    lines = [f"{row.epoch},{row.loss!r},{row.accuracy!r}" for row in rows]
    return "\n".join(["epoch,loss,accuracy", *lines, ""])


def describe(step: Step) -> str:
    """What the step does, for a message: ``training from epoch 0 to 70``."""
    match step:
        case Train():
            return f"training from epoch {step.start.epoch} to {step.until}"
        case Consult():
            return f"consultation {step.number} after epoch {step.state.epoch}"
        case Evaluate():
            return f"the evaluation after epoch {step.state.epoch}"


def _as_trained(images: Any, overlay: Overlay, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    shown = TrainingRows(images, overlay, torch.device("cpu")).pixels(torch.from_numpy(rows)).numpy()
    return np.asarray(shown, np.uint8)
