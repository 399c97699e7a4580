"""A folder of recorded masks, replayed: a person who answered once and is asked for ever.

What it simulates: the reader who drew the masks. The same image gets the same answer in every run, whatever the model
made of it.
What it may know: the recorded mask of the image that is asked about, and nothing else.
What it needs: `folder`, an absolute path, or one relative to IMIL_SIM_DATA or to the current folder. In it lies one
PNG an image, named for the image's id (with `suffix` behind it: "_lesion" finds CHNCXR_0327_1_lesion.png); where ids
hold a "/", in folders. A mask is 0 and 255, or 0 and 1, of any size: it is laid over the image, corner on corner.
Options beside these: `threshold`, the share of a cell that must be covered (the best-covered cell is always chosen);
`single_region`, to keep only the connected region with the most coverage.
An image without a file is an abstention; a mask in which nothing is marked is the answer "nothing matters"; a file that
is no mask stops the run and is named.
Where it is wrong: the reader saw the image, not this model's heat-map and prediction, and might have answered another
question differently.
Source: the recorded feedback of Rao et al. 2024, section 3.2, was given on a grid; masks are imil-sim's wider form.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from pydantic.dataclasses import dataclass

from imil_sim.errors import DataError, OracleError, UsageError
from imil_sim.feedback import Feedback, Question, Share, covered_cells, resolve
from imil_sim.images.decode import decode_mask


@dataclass(frozen=True)
class ReplayedMasks:
    """Chooses the cells that the recorded mask of the image covers."""

    folder: str
    """Where the masks lie."""
    suffix: str = ""
    """What stands between an image's id and ``.png``."""
    threshold: Share = 0.1
    """Share of a cell, in (0, 1]."""
    single_region: bool = False
    """Keep only the connected region with the most coverage."""

    def __post_init__(self) -> None:
        if ".." in PurePosixPath(f"image{self.suffix}.png").parts or "\\" in self.suffix or "\0" in self.suffix:
            raise ValueError(f"suffix {self.suffix!r} leads out of the folder of masks; put that into folder")
        if not self._root().is_dir():
            raise OracleError(f'replayed-masks: folder "{self.folder}" is a file; name the folder that holds the masks')

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        """The cells of the recorded mask; ``rng`` is not used.

        Raises:
            OracleError: the file is no mask, the grid is finer than the mask, or the id leads out of the folder.
        """
        name = f"{question.image_id}{self.suffix}.png"
        path = self._root() / _inside(name)
        if not path.exists():
            return Feedback.abstain(question, f"no recorded mask {name}")
        try:
            mask = decode_mask(path)
            return covered_cells(
                question,
                mask,
                threshold=self.threshold,
                single_region=self.single_region,
                note="" if mask.any() else "nothing is marked in the recorded mask",
            )
        except (DataError, UsageError) as error:
            raise OracleError(f"replayed-masks: {path}: {error}") from error

    def _root(self) -> Path:
        try:
            return resolve(self.folder, None)
        except DataError as error:
            raise OracleError(f"replayed-masks: folder {error}") from error


def _inside(name: str) -> PurePosixPath:
    """``name`` as a path that stays below the folder it is joined to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise OracleError(
            f"replayed-masks: the image id in {name!r} leads out of the folder of masks; rename the image"
        )
    return path
