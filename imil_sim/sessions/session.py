"""A session: the recorded answers of one reader, and its format, version 1.

A session is a text file in UTF-8 with one JSON object a line (JSON lines): first the `Header`, then one
`SessionAnswer` a line, in the order in which they were given. docs/sessions.md explains it, docs/session.schema.json
is its JSON schema, written from the types below. `imil_sim.sessions.files` reads and writes sessions.

An image is known by `image_sha256` at the study's size, a heat-map by `cam_sha256`; `Question` has both.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from imil_sim.errors import shown
from imil_sim.feedback.grid import Grid
from imil_sim.sessions.drawn import Drawn
from imil_sim.study.spec import Spec

FORMAT: Literal["imil-sim session"] = "imil-sim session"
VERSION: Literal[1] = 1
"""Of the format; a change that an older reader would misread raises it."""

MOST_CELLS_A_SIDE = 1000
MOST_ID = 512
"""Characters of an image's id."""
MOST_NAME = 200
"""Characters of the name of a reader or a class."""
MOST_LINE = 500
"""Characters of a role, the name of a set, and where a session comes from."""
MOST_INSTRUCTIONS = 20_000
"""Characters of a reader's instructions."""
MOST_REASON = 10_000
"""Characters of a reader's words about an image."""

_UNSHOWN = "holds a line break or another character that cannot be printed"


def id_problem(image_id: str) -> str:
    """Why ``image_id`` cannot name an image; empty where it can. Its parts may be joined by ``/``."""
    parts = image_id.split("/")
    if len(image_id) > MOST_ID:
        return f"is longer than {MOST_ID} characters"
    if shown(image_id) != image_id or "\\" in image_id:
        return "holds a backslash or a character that cannot be printed"
    if any(part in ("", ".", "..") for part in parts):
        return "is a path, not a name: it is empty, absolute, a web address, or has parts like '..'"
    return ""


def name_problem(name: str) -> str:
    """Why ``name`` cannot name a reader or a class; empty where it can."""
    if not 1 <= len(name) <= MOST_NAME:
        return f"is empty, or longer than {MOST_NAME} characters"
    return "" if shown(name) == name else _UNSHOWN


def _an_id(image_id: str) -> str:
    if problem := id_problem(image_id):
        raise ValueError(problem)
    return image_id


def _one_line(text: str) -> str:
    if shown(text) != text:
        raise ValueError(_UNSHOWN)
    return text


ImageId = Annotated[str, StringConstraints(min_length=1, max_length=MOST_ID), AfterValidator(_an_id)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
OneLine = Annotated[str, StringConstraints(max_length=MOST_LINE), AfterValidator(_one_line)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=MOST_NAME), AfterValidator(_one_line)]
_Side = Annotated[int, Field(ge=1, le=MOST_CELLS_A_SIDE)]
_Pixels = Annotated[int, Field(ge=1, le=100_000)]
_Class = Annotated[int, Field(ge=0, le=10_000)]


class Header(Spec):
    """The first line: who answered what, where and when. Unknown is null or empty, never guessed."""

    format: Literal["imil-sim session"] = Field(FORMAT, description="Says that this is a session.")
    version: Literal[1] = Field(VERSION, description="Of the format.")
    reader: _Name = Field(description="Who answered: a person's name or pseudonym, or the name of an oracle.")
    role: OneLine = Field("", description="What the reader is: radiologist, resident, oracle, ...")
    date: datetime.date | None = Field(None, description="The day it was begun, YYYY-MM-DD; null for an oracle.")
    set_name: OneLine = Field("", description="Name of the image set; empty: unknown.")
    set_fingerprint: Sha256 | None = Field(
        None,
        description="Fingerprint of the whole set at the study's size (ids, pixels, labels, classes); null: unknown.",
    )
    film_size: tuple[_Pixels, _Pixels] | None = Field(
        None, description="Height and width of the images as they are hashed, the study's size, pixels; null: unknown."
    )
    class_names: tuple[_Name, ...] = Field(
        (), description="The classes that labels and predictions count from 0; empty: unknown."
    )
    grid: tuple[_Side, _Side] = Field(description="Rows and columns of the grid that cells are numbers on.")
    states: tuple[Sha256, ...] = Field(
        (), description="Key of the model's state of training at each consultation; empty: no model was shown."
    )
    instructions: Annotated[str, StringConstraints(max_length=MOST_INSTRUCTIONS)] = Field(
        "", description="The instructions the reader had, word by word."
    )
    source: OneLine = Field(
        "", description="What wrote the session: the page, a run, or the format it was imported from."
    )


class SessionAnswer(Spec):
    """One further line: one image, what was shown of it, and the answer."""

    order: int = Field(ge=1, le=10**9, description="Which answer of the session it is, from 1; each number once.")
    consultation: int = Field(
        1, ge=1, le=10_000, description="Which consultation it belongs to, from 1; one image is asked once in each."
    )
    image_id: ImageId = Field(description="The image's id in its set; parts may be joined by /.")
    image_sha256: Sha256 | None = Field(
        None, description="image_sha256 of the image at the study's size; null: unknown."
    )
    label: _Class | None = Field(None, description="True class; null: unknown.")
    predicted: _Class | None = Field(None, description="Class the model predicted; null: none was shown.")
    confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Probability given to the predicted class; null: none was shown."
    )
    cam_sha256: Sha256 | None = Field(None, description="cam_sha256 of the heat-map shown; null: none was.")
    abstained: bool = Field(False, description="Whether the reader gave no answer; then cells and drawn are null.")
    cells: tuple[Annotated[int, Field(ge=1, le=MOST_CELLS_A_SIDE**2)], ...] | None = Field(
        description="Numbers of the cells that matter, ascending, 1 at the top left, row by row; [] says that "
        "nothing matters; null: abstained."
    )
    drawn: Drawn | None = Field(None, description="What the reader drew, in the image's original pixels.")
    reason: Annotated[str, StringConstraints(max_length=MOST_REASON)] = Field(
        "", description="The reader's words: why it abstained, or why these cells."
    )
    seconds: Annotated[float, Field(ge=0, le=10**7)] | None = Field(
        None, description="From showing the image to the answer; null: not measured."
    )

    @model_validator(mode="after")
    def _check_cells(self) -> SessionAnswer:
        if self.abstained and (self.cells is not None or self.drawn is not None):
            raise ValueError("abstained is true, so cells and drawn must be null")
        if not self.abstained and self.cells is None:
            raise ValueError("cells is null and abstained is false: give cells, or say that the reader abstained")
        if self.cells is not None and list(self.cells) != sorted(set(self.cells)):
            raise ValueError("cells must be ascending numbers, each once")
        return self


@dataclass(frozen=True, slots=True)
class Session:
    """A whole session, every line of it looked at."""

    header: Header
    answers: tuple[SessionAnswer, ...] = ()
    """In the order of the file."""
    warnings: tuple[str, ...] = ()
    """That a half-written last line was dropped."""
    lines: tuple[int, ...] = ()
    """The line of each answer in its file, for messages; empty where it was read from none."""

    @property
    def grid(self) -> Grid:
        """The grid that the cells of the answers are numbers on."""
        return Grid(*self.header.grid)

    def about(self, image_id: str) -> tuple[SessionAnswer, ...]:
        """The answers about one image, one a consultation, in the order of the file."""
        return tuple(answer for answer in self.answers if answer.image_id == image_id)

    @property
    def image_ids(self) -> frozenset[str]:
        """The images it has an answer about, abstentions included."""
        return frozenset(answer.image_id for answer in self.answers)

    def place(self, number: int) -> str:
        """Where the answer with that index stands, for a message: ``line 7``, or ``answer 6`` where it has no file."""
        return f"line {self.lines[number]}" if self.lines else f"answer {number + 1}"


def answer_problems(header: Header, answer: SessionAnswer) -> Iterator[str]:
    """What is wrong with an answer under this header; nothing where it fits."""
    cells = header.grid[0] * header.grid[1]
    if answer.cells and answer.cells[-1] > cells:
        yield f"cell {answer.cells[-1]} lies outside the grid of {header.grid[0]} x {header.grid[1]} (1 to {cells})"
    for name, value in (("label", answer.label), ("predicted", answer.predicted)):
        if value is not None and header.class_names and value >= len(header.class_names):
            yield f"{name} is {value}, but the header names {len(header.class_names)} classes (from 0)"
    if header.states and answer.consultation > len(header.states):
        yield f"consultation is {answer.consultation}, but the header names {len(header.states)} of the model's states"


def standing_answer(
    session: Session, image_id: str, cam_sha256: str | None, consultation: int | None = None
) -> SessionAnswer | None:
    """The answer about an image that holds before that heat-map (None: unknown); None where there is none.

    Of several, from several consultations, the one given before the very same heat-map; of several such the one of
    that ``consultation``, where it is given, else the last of them; where there is no such heat-map, the last of all.
    """
    answers = session.about(image_id)
    same = [answer for answer in answers if answer.cam_sha256 == cam_sha256]
    then = [answer for answer in same if answer.consultation == consultation]
    return max(then or same or answers, key=lambda answer: (answer.consultation, answer.order), default=None)


def cells_on(grid: Grid, recorded: Grid, answer: SessionAnswer, threshold: float = 0.1) -> NDArray[np.bool_] | None:
    """(rows, cols) of ``grid``: the cells of an answer that was recorded on another grid; None for an abstention.

    On the grid of the record these are the recorded cells. On another one, what the reader drew is laid under it; where
    nothing was drawn, the recorded cells are, as boxes.

    Raises:
        ValueError: ``threshold`` is not in (0, 1].
        UsageError: the grid is finer than the image that was drawn on.
    """
    if answer.cells is None:
        return None
    if grid == recorded:
        return grid.cells_from_numbers(answer.cells)
    if answer.drawn:
        return answer.drawn.cells(grid, threshold)
    boxes = [
        (col / recorded.cols, row / recorded.rows, (col + 1) / recorded.cols, (row + 1) / recorded.rows)
        for row, col in map(recorded.cell, answer.cells)
    ]
    return grid.cells_from_boxes(boxes, threshold)


def session_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of one line of a session: a header or an answer."""
    header, answer = Header.model_json_schema(), SessionAnswer.model_json_schema()
    header["required"] = ["format", "version", *header["required"]]
    defs = {**header.pop("$defs", {}), **answer.pop("$defs", {})}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imil-sim session, one line",
        "description": "A session is JSON lines: a header, then one answer a line. See docs/sessions.md.",
        "oneOf": [{"$ref": "#/$defs/Header"}, {"$ref": "#/$defs/SessionAnswer"}],
        "$defs": {"Header": header, "SessionAnswer": answer, **defs},
    }
