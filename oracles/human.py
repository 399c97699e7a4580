"""A person who answers later: the run waits until the answers are there.

What it simulates: nothing. It is the reader at the desk. At a consultation the questions are put into the store
(`questions/KEY/`: films, heat-maps, and a sheet `answers.jsonl` to fill in), the run is marked *waiting*, and the other
runs go on. When the answers are there the same command resumes, and every later run that asks about the same film on
the same grid gets the same answer: what was recorded once is replayed for ever.
What it may know: whatever the person is shown: the film, the true label, the prediction, its confidence, the heat-map.
What it needs: `reader`, the name of the person, and `folder`, where the answers lie: an absolute path, or one relative
to IMIL_SIM_DATA or to the current folder. They are read from `FOLDER/READER.jsonl`, one line an answer, in any order:

    {"image_id": "a", "image_sha256": "...", "grid": [4, 4], "cells": [6, 7], "reason": ""}

`cells` are numbers, 1 at the top left, row by row; `[]` says that nothing matters. `"cells": null` with a `reason`
is an abstention; without one the question still waits. A line that is no answer, is about other pixels under this
film's id, names a cell that the grid has not, or contradicts an earlier line, ends the run and is named.
Where it is wrong: a person who answers a film once would perhaps answer it otherwise beside another heat-map.
Source: the setting of Rao et al. 2024, section 3.2, where residents answered on a grid of 4 x 4.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imil_sim.errors import AwaitsAnswers, DataError
from imil_sim.feedback import Feedback, OracleError, Question, resolve

FIELDS = {"image_id", "image_sha256", "grid", "cells", "reason"}


@dataclass(frozen=True)
class Human:
    """Gives the answers that a person has written down, and waits for those that are missing."""

    reader: str
    """Name of the person: letters, digits, ``_`` and ``-``; the answers lie in ``READER.jsonl``."""
    folder: str
    """Where the answers lie."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", self.reader):
            raise ValueError(f"reader is a name of letters, digits, _ and -, 63 at most, not {self.reader!r}")
        if not self._root().is_dir():
            raise OracleError(f'human: folder "{self.folder}" is a file; name the folder that is to hold the answers')

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """What the person wrote about this film on this grid; ``rng`` is not used.

        Raises:
            AwaitsAnswers: nothing yet.
            OracleError: what is written there is no answer to this question.
        """
        found: Feedback | None = None
        other_grids: set[str] = set()
        for where, line in self._lines():
            if line["image_id"] != question.image_id:
                continue
            if line["grid"] != list(question.grid.shape):
                other_grids.add(json.dumps(line["grid"]))
                continue
            given = _feedback(question, line, where)
            if found is not None and given is not None and not _same(found, given):
                raise OracleError(f"{where}: contradicts an earlier line about the same film; keep one of them")
            found = given or found
        if found is None:
            hint = f" (there is an answer on the grid {', '.join(sorted(other_grids))})" if other_grids else ""
            raise AwaitsAnswers(f'film "{question.image_id}" by {self.reader}, in {self._name}{hint}')
        return found

    @property
    def _name(self) -> str:
        """The file as the study names it: the same text on every machine."""
        return f"{self.folder.rstrip('/')}/{self.reader}.jsonl"

    def _root(self) -> Path:
        try:
            return resolve(self.folder, None)
        except DataError as error:
            raise OracleError(f"human: folder {error}") from error

    def _lines(self) -> list[tuple[str, dict[str, Any]]]:
        """Every line with its place; none where nobody has written anything yet."""
        try:
            text = (self._root() / f"{self.reader}.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise OracleError(f"{self._name} cannot be read: {error}") from error
        return [
            (f"{self._name}, line {number}", _parsed(line, f"{self._name}, line {number}"))
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise OracleError(f"{where}: is no JSON ({error}); write one object a line") from error
    if not isinstance(found, dict) or found.keys() != FIELDS:
        raise OracleError(f"{where}: an answer has exactly the fields {', '.join(sorted(FIELDS))}")
    return found


def _feedback(question: Question, line: dict[str, Any], where: str) -> Feedback | None:
    """The answer of a line about this question; None where nobody has filled it in yet."""
    if line["image_sha256"] != question.image_sha256:
        raise OracleError(
            f"{where}: is about another film than {question.image_id}: its pixels have SHA-256 "
            f"{str(line['image_sha256'])[:16]}..., this one's {question.image_sha256[:16]}...; were the set and its "
            "size the same when it was answered?"
        )
    cells, reason = line["cells"], line["reason"]
    if not isinstance(reason, str):
        raise OracleError(f"{where}: reason must be text")
    if cells is None:
        return Feedback.abstain(question, reason) if reason else None
    most = question.grid.rows * question.grid.cols
    if not isinstance(cells, list) or any(type(cell) is not int or not 1 <= cell <= most for cell in cells):
        raise OracleError(f"{where}: cells are numbers from 1 to {most}, or null, not {json.dumps(cells)[:60]}")
    if reason:
        raise OracleError(f"{where}: gives cells and a reason to abstain; leave one of them out")
    return Feedback(question.image_id, question.grid.cells_from_numbers(cells))


def _same(one: Feedback, other: Feedback) -> bool:
    if one.cells is None or other.cells is None:
        return one.cells is other.cells
    return np.array_equal(one.cells, other.cells)
