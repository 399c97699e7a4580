"""A folder of masks, one a film, named for it: 0 outside, 255 (or 1) inside, of the size of the original film.

A mask says of every pixel whether it is inside: one that is black throughout says that nothing was found.
"""

from __future__ import annotations

from pathlib import Path

from imil_sim.errors import DataError, SessionError
from imil_sim.feedback.drawn import runs_of
from imil_sim.images.decode import decode_mask
from imil_sim.images.importing.outlines import READ_ENDINGS, Outlines, refused


def read_masks(folder: Path, suffix: str = "") -> tuple[list[Outlines], tuple[str, ...]]:
    """The masks of a folder and of the folders in it, by name, and what the user should be told.

    Args:
        folder: holds PNG or JPEG files, whatever the case of their endings; other files are passed over, and said.
        suffix: stands between a film's id and the ending.

    Raises:
        SessionError: there are none, a file is no mask, or two are of one film; every one is named.
    """
    problems: list[str] = []
    outlines: list[Outlines] = []
    files = [path for path in sorted(folder.rglob("*")) if _is_file(path.relative_to(folder), path)]
    masks = [path for path in files if path.suffix.lower() in READ_ENDINGS]
    told = _passed_over([path.relative_to(folder) for path in files if path.suffix.lower() not in READ_ENDINGS])
    of_film: dict[str, str] = {}
    for path in masks:
        name = path.relative_to(folder).as_posix()
        stem = name.removesuffix(path.suffix)
        if not stem.endswith(suffix):
            problems.append(f'{name}: does not end in "{suffix}{path.suffix}"; move it away')
            continue
        film = stem.removesuffix(suffix) if suffix else stem
        if (other := of_film.setdefault(film, name)) != name:
            problems.append(f'{other} and {name}: are two masks of one film, "{film}"; move one of them away')
            continue
        try:
            mask = decode_mask(path, None)
        except DataError as error:
            problems.append(f"{name}: {error}")
        else:
            shape = mask.shape[0], mask.shape[1]
            outlines.append(Outlines(film=f"{film}.png", where=name, size=shape, mask=runs_of(mask)))
    if problems:
        raise refused(folder, "cannot be imported", problems)
    if not outlines:
        more = f" ({told})" if told else ""
        raise SessionError(
            f"{folder} holds neither masks (PNG or JPEG) nor files of LabelMe (JSON): nothing to import{more}"
        )
    return outlines, (told,) if told else ()


def _is_file(name: Path, path: Path) -> bool:
    """Whether something is there to be read or told about; hidden files are nobody's masks."""
    return not any(part.startswith(".") for part in name.parts) and not path.is_dir()


def _passed_over(names: list[Path]) -> str:
    if not names:
        return ""
    what = "1 file that is" if len(names) == 1 else f"{len(names)} files that are"
    return f"passed over {what} neither PNG nor JPEG, the first {names[0].as_posix()}"
