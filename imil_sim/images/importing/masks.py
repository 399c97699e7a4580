"""A folder of PNG masks, one a film, named for it: 0 outside, 255 (or 1) inside, of the size of the original film."""

from __future__ import annotations

from pathlib import Path

from imil_sim.errors import DataError, SessionError
from imil_sim.feedback.drawn import runs_of
from imil_sim.images.decode import decode_mask
from imil_sim.images.importing.outlines import Outlines, refused


def read_masks(folder: Path, suffix: str = "") -> list[Outlines]:
    """The masks of a folder and of the folders in it, by name; ``suffix`` stands between a film's id and ``.png``.

    Raises:
        SessionError: there are none, or a file is no mask; every one is named.
    """
    problems: list[str] = []
    outlines: list[Outlines] = []
    for path in sorted(folder.rglob("*.png")):
        name = path.relative_to(folder).as_posix().removesuffix(".png")
        if not name.endswith(suffix):
            problems.append(f'{name}.png: does not end in "{suffix}.png"; move it away')
            continue
        try:
            mask = decode_mask(path, None)
        except DataError as error:
            problems.append(f"{name}.png: {error}")
        else:
            film = name.removesuffix(suffix) if suffix else name
            shape = mask.shape[0], mask.shape[1]
            outlines.append(Outlines(film=f"{film}.png", where=f"{name}.png", size=shape, mask=runs_of(mask)))
    if problems:
        raise refused(folder, "cannot be imported", problems)
    if not outlines:
        raise SessionError(f"{folder} holds neither masks (PNG) nor files of LabelMe (JSON): nothing to import")
    return outlines
