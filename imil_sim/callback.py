"""`IMIL`: the loop inside a training that somebody else wrote.

Training stays where it is. `IMIL` is called after every epoch; when it is time it looks at the training images through
the model, asks the oracle, and from then on its dataset gives the new images in place of the old ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from imil_sim.dataset import Board, Image, Images, IMILDataset, Masks, OwnImages, to_model_input
from imil_sim.errors import AwaitsAnswers, DataError, UsageError
from imil_sim.feedback import Feedback, Grid, Oracle, Question, make_oracle
from imil_sim.io import make_folder, replace_file
from imil_sim.loop import answered, ask, choose, conclude, question_files, questions
from imil_sim.sessions import Session
from imil_sim.sessions.recorded import AttendedOracle, recorded_session
from imil_sim.study.record import Consultation
from imil_sim.study.spec import FeedbackSpec, lines
from imil_sim.training.cam import as_logits, grad_cam, target_layer
from imil_sim.training.overlay import Overlay

Predict = Callable[[Any, Sequence[Image]], Any]
"""Logits (n, classes), or logarithms of probabilities, of a model for raw images."""
Cam = Callable[[Any, Image, int], NDArray[np.floating]]
"""Heat map of a model for one raw image and one class: of any size, at least 0."""

WhenWaiting = Literal["raise", "wait", "skip"]

BATCH = 64
"""Images predicted at once."""

POLL = 5.0
"""Seconds between two looks for a person's answers."""


class IMIL:
    """Interactive learning as a callback: consults an oracle between two epochs of any training.

    Args:
        images: the training images; read one by one when they are needed, never copied as a whole.
        labels: (n,), the class of each.
        oracle: name of an installed oracle (`imil-sim oracles`), or an `Oracle`.
        options: options of a named oracle.
        ids: one id an image; the rows' numbers otherwise.
        class_names: one name a class; of two classes the second is the positive one.
        masks: (height, width) by name (``lung``, ``lesion``), for the oracles that look at them. Lungs that are not
            given are estimated.
        seed: of the run: all chance is a function of it.
        transform: one raw image to the model's input, without augmentation: resized and normalised, not cropped, since
            the heat map is laid over the whole image.
        predict: logits of a model that is no function of one batch of inputs.
        cam: a heat map in place of Grad-CAM.
        cam_layer: the layer that Grad-CAM explains, by name or itself; the last one whose output has places otherwise.
        when_waiting: for a person who has not answered yet: ``raise`` `AwaitsAnswers`, ``wait`` until the answers are
            there, or ``skip`` the images that lack one.
        questions: folder where the questions to a person are written, ``epoch-N`` in it.
        **feedback: ``imil_epoch``, ``num_outliers``, ``grid_size``, ``selection``, ``fill``, ``mode``, ``fill_up``,
            ``revisit``: as in a study's table ``[feedback]``.

    Raises:
        UsageError: an option is wrong.
        DataError: images, labels and ids do not fit together.
        OracleError: there is no such oracle, or its options are wrong.
    """

    def __init__(
        self,
        images: Images,
        labels: Sequence[int] | NDArray[np.integer],
        *,
        oracle: str | Oracle,
        options: Mapping[str, Any] | None = None,
        ids: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        masks: Mapping[str, Masks] | None = None,
        seed: int = 0,
        transform: Callable[[Image], Any] = to_model_input,
        predict: Predict | None = None,
        cam: Cam | None = None,
        cam_layer: str | nn.Module = "",
        when_waiting: WhenWaiting = "raise",
        questions: str | Path = "questions",
        **feedback: Any,
    ) -> None:
        self.images = OwnImages(images, labels, ids, class_names, masks)
        self.seed = seed
        name = oracle if isinstance(oracle, str) else type(oracle).__name__
        self.feedback = _feedback(name, dict(options or {}), feedback)
        self._oracle = make_oracle(oracle, options or {}) if isinstance(oracle, str) else oracle
        self._transform, self._predict, self._cam, self._cam_layer = transform, predict, cam, cam_layer
        self._when_waiting, self._questions = when_waiting, questions
        self._board = Board()
        self.consultations: tuple[Consultation, ...] = ()
        self.asked: tuple[tuple[Question, ...], ...] = ()
        """The questions of every consultation, as the oracle was shown them."""

    # ------------------------------------------------------------------------------------------------ the images now

    @property
    def overlay(self) -> Overlay:
        """What the consultations have made of the training images so far."""
        return self._board.overlay

    @property
    def replaced(self) -> Mapping[int, Image]:
        """Row to the image that stands in its place."""
        return self.overlay.replaced

    def image(self, row: int, default: Image | None = None) -> Image:
        """The image to train on: what stands in the place of that row, or ``default``, or the image itself.

        For datasets of one's own; it may be called in a loader's workers.
        """
        found = self.overlay.replaced.get(row)
        if found is not None:
            return found
        return self.images.image(row) if default is None else default

    def dataset(self, transform: Callable[[Image], Any] | None = None) -> IMILDataset:
        """The training images as they stand, as a map-style dataset of (transformed image, label).

        Consultations show in it at once, also in workers that live on between epochs. With ``mode="append"`` it grows:
        a sampler that counts only once (a distributed one) must then be made anew.

        Args:
            transform: what is done with each image, augmentation included; the model's input otherwise. It is given
                the replaced image, so that a blacked-out cell moves with its image.
        """
        return IMILDataset(self.images, self._board, transform or self._transform)

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""
        return self.images.class_names

    def session(self, source: str = "") -> Session:
        """What was asked and answered so far, as a session that can be replayed; see `imil_sim.sessions.write_session`.

        Raises:
            SessionError: a session cannot hold an id, a name or an answer.
        """
        known = [
            np.stack([np.round(question.cam * 255).astype(np.uint8) for question in asked]) for asked in self.asked
        ]
        cams = [*[None] * (len(self.consultations) - len(known)), *known]  # a checkpoint does not keep what was shown
        grid, asked = Grid(*self.feedback.grid_size), self._oracle
        attended = asked.attended(grid) if isinstance(asked, AttendedOracle) else None
        return recorded_session(self.feedback, self.consultations, self.images.index, cams, [], source, attended)

    # -------------------------------------------------------------------------------------------------- the callback

    def after_epoch(self, epoch: int, model: Any) -> Consultation | None:
        """Consult, if it is time: to be called after every epoch, in every process of a distributed training.

        The model is looked at in evaluation mode and left as it was, as are torch's generators.

        Args:
            epoch: completed epochs, from 1.
            model: as it is now; a ``DistributedDataParallel`` or compiled one is looked into.

        Returns:
            What was asked and answered; None where it was not time.

        Raises:
            UsageError: an epoch of a consultation was passed over.
            AwaitsAnswers: a person has not answered yet, see ``when_waiting``; ``questions`` says where they are.
            OracleFailure: the oracle failed.
        """
        done = len(self.consultations)
        due = self.feedback.imil_epoch[done:]
        if not due or epoch < due[0]:
            return None
        if epoch > due[0]:
            raise UsageError(
                f"epoch {epoch} is over, but the consultation after epoch {due[0]} has not been held; call after_epoch "
                "after every epoch, and load the state of IMIL with a checkpoint that is resumed"
            )
        with _whole_world(self) as leads:
            if leads:
                self._consult(epoch, done + 1, _unwrapped(model))
        return self.consultations[-1]

    def _consult(self, epoch: int, number: int, model: Any) -> None:
        with _as_it_was(model):
            logits = self._logits(model)
            selection = choose(
                self.feedback,
                self.images,
                logits,
                self._oracle,
                lambda rows, classes: self._heat_maps(model, rows, classes),
                frozenset().union(*map(answered, self.consultations)),
                seed=self.seed,
                number=number,
            )
            cams = self._heat_maps(model, selection.indices, selection.predicted)
            true = self._heat_maps(model, selection.indices, self.images.labels[selection.indices])
        asked = questions(self.images, selection, cams, true, Grid(*self.feedback.grid_size), number)
        answers = self._answers(asked, epoch, number)
        consultation, overlay = conclude(
            self.feedback, epoch, selection, asked, answers, self.images, self.overlay, seed=self.seed, number=number
        )
        self._board.post(overlay)
        self.consultations = (*self.consultations, consultation)
        self.asked = (*self.asked, asked)

    def _answers(self, asked: Sequence[Question], epoch: int, number: int) -> Sequence[Feedback]:
        """The oracle's answers, or what ``when_waiting`` says where a person has not given them yet."""
        while True:
            try:
                return ask(self._oracle, asked, self.seed, number)
            except AwaitsAnswers as error:
                if self._when_waiting == "skip":
                    return [self._answer_or_none(question, number) for question in asked]
                place = self._write_questions(asked, epoch)
                if self._when_waiting == "raise":
                    raise AwaitsAnswers(f"{error}. The questions lie in {place}", str(place)) from error
            time.sleep(POLL)

    def _write_questions(self, asked: Sequence[Question], epoch: int) -> Path:
        """The folder of the questions, for ``imil-sim annotate``."""
        folder = Path(self._questions) / f"epoch-{epoch}"
        make_folder(folder)
        for name, content in question_files(asked, self.feedback, epoch, "", self.images.index).items():
            replace_file(folder / name, content)
        return folder

    def _answer_or_none(self, question: Question, number: int) -> Feedback:
        try:
            return ask(self._oracle, [question], self.seed, number)[0]
        except AwaitsAnswers:
            return Feedback.abstain(question, "not answered in time")

    # ------------------------------------------------------------------------------------------------------ the model

    def _batches(self, rows: Sequence[int]) -> Iterator[list[Image]]:
        for start in range(0, len(rows), BATCH):
            yield [self.image(row) for row in rows[start : start + BATCH]]

    def _inputs(self, images: Sequence[Image], model: Any) -> Tensor:
        where = next((part.device for part in (*model.parameters(), *model.buffers())), torch.device("cpu"))
        return torch.stack([torch.as_tensor(self._transform(np.array(image))) for image in images]).to(where)

    def _logits(self, model: Any) -> NDArray[np.float64]:
        """(n, classes): on the images as they are trained on."""
        parts = []
        for images in self._batches(range(len(self.images.ids))):
            if self._predict is not None:
                given = self._predict(model, images)
            else:
                with torch.no_grad():
                    given = as_logits(model(self._inputs(images, model)))
            parts.append(_array(given).astype(np.float64))
        found = np.concatenate(parts)
        expected = len(self.images.ids), len(self.images.class_names)
        if found.shape != expected or not np.isfinite(found).all():
            what = f"of shape {found.shape}" if found.shape != expected else "with numbers that are not finite"
            raise DataError(f"the model gives logits {what} for {expected[0]} images of {expected[1]} classes")
        return found

    def _heat_maps(self, model: Any, rows: NDArray[np.int64], classes: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """(height, width) of each image, in [0, 1]; one image at a time, so that no map depends on another image."""
        layer: nn.Module | str = self._cam_layer
        if self._cam is None and len(rows) and not isinstance(layer, nn.Module):
            layer = target_layer(model, layer, self._inputs([self.image(int(rows[0]))], model))
        pairs = zip(rows.tolist(), classes.tolist(), strict=True)
        return [self._heat_map(model, self.image(row), label, layer) for row, label in pairs]

    def _heat_map(self, model: Any, image: Image, label: int, layer: nn.Module | str) -> NDArray[np.float32]:
        if self._cam is not None:
            coarse = np.maximum(_array(self._cam(model, image, label)).astype(np.float32), 0)
            coarse /= coarse.max() or 1
        else:
            inputs = self._inputs([image], model)
            coarse = grad_cam(_Logits(model), inputs, np.array([label]), layer=layer)[0]
        if coarse.shape == image.shape[:2]:
            return coarse
        return cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)

    # -------------------------------------------------------------------------------------------------- kept and sent

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, as text and arrays of bytes: the overlay and the consultations so far."""
        overlay = np.frombuffer(self.overlay.to_bytes(), np.uint8)
        consultations = [consultation.model_dump_json() for consultation in self.consultations]
        return {"consultations": consultations, "overlay": torch.from_numpy(overlay.copy())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: the inverse of `state_dict`."""
        self._board.post(Overlay.from_bytes(state["overlay"].cpu().numpy().tobytes()))
        self.consultations = tuple(map(Consultation.model_validate_json, state["consultations"]))


class _Logits(nn.Module):
    """A classifier whose output is logits (n, classes), whatever it returned."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        return as_logits(self.model(inputs))


def _feedback(oracle: str, options: dict[str, Any], given: Mapping[str, Any]) -> FeedbackSpec:
    try:
        return FeedbackSpec.model_validate_json(json.dumps({"oracle": oracle, "options": options, **given}))
    except ValidationError as error:
        raise UsageError(f"IMIL: {'; '.join(lines(error))}") from error


def _array(given: Any) -> NDArray[Any]:
    return given.detach().float().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)


def _unwrapped(model: Any) -> Any:
    """The model inside ``DistributedDataParallel`` and ``torch.compile``: looking at it concerns this process alone."""
    while isinstance(model, nn.Module):
        inner = getattr(model, "_orig_mod", None) or (getattr(model, "module", None) if _distributed(model) else None)
        if inner is None:
            break
        model = inner
    return model


def _distributed(model: nn.Module) -> bool:
    return isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel)


@contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """In evaluation mode inside; every module in its own mode, and torch's generators where they were, afterwards."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    used = sorted({parameter.device.index or 0 for m in modules for parameter in m.parameters() if parameter.is_cuda})
    with torch.random.fork_rng(devices=used), torch.inference_mode(False), torch.enable_grad():
        for module in modules:
            module.training = False
        try:
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode


@contextmanager
def _whole_world(imil: IMIL) -> Iterator[bool]:
    """True in the process that asks; afterwards all processes of a distributed training hold what it holds.

    Raises:
        AwaitsAnswers, or UsageError: what ended the asking ends it in every process; none waits for ever.
    """
    world = torch.distributed
    if not (world.is_available() and world.is_initialized() and world.get_world_size() > 1):
        yield True
        return
    leads = world.get_rank() == 0
    failure: BaseException | None = None
    try:
        yield leads
    except Exception as error:
        failure = error
    state = None
    if leads:
        found = imil.state_dict()
        state = {
            "consultations": found["consultations"],
            "overlay": found["overlay"].numpy().tobytes().hex(),
            "failure": str(failure or ""),
            "questions": getattr(failure, "questions", None),
        }
    received = json.loads(_broadcast(json.dumps(state).encode()))
    if failure is not None:
        raise failure
    if received["questions"] is not None:
        raise AwaitsAnswers(received["failure"], received["questions"])
    if received["failure"]:
        raise UsageError(f"the process that asks ended: {received['failure']}")
    if not leads:
        overlay = torch.frombuffer(bytearray.fromhex(received["overlay"]), dtype=torch.uint8)
        imil.load_state_dict({"consultations": received["consultations"], "overlay": overlay})


def _broadcast(message: bytes) -> bytes:
    """What rank 0 says, in every process."""
    world = torch.distributed
    on_gpu = world.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    size = torch.tensor([len(message)], device=device)
    world.broadcast(size, 0)
    text = torch.zeros(int(size), dtype=torch.uint8, device=device)
    if world.get_rank() == 0:
        text = torch.frombuffer(bytearray(message), dtype=torch.uint8).to(device)
    world.broadcast(text, 0)
    return text.cpu().numpy().tobytes()
