"""Where the files that a study names lie: an explicit rule, the same for every source."""

from __future__ import annotations

import os
from pathlib import Path

from imil_sim.errors import DataError, MissingData, listed

DATA_VARIABLE = "IMIL_SIM_DATA"
"""The environment variable that holds the folder of real image sets."""


def resolve(path: str, beside: Path | None) -> Path:
    """The existing file or folder that ``path`` names.

    An absolute path (``~`` included) stays as it is. Any other is looked for under the folder in ``IMIL_SIM_DATA``,
    then beside the study file, then under the current folder; the first that exists is taken.

    Args:
        path: what the study says.
        beside: the study file or its folder; none where the spec comes from no file.

    Raises:
        MissingData: nothing is there; the message names every place looked at.
        DataError: no file can have that name.
    """
    try:
        if "\0" in path:
            raise ValueError("it holds a NUL character")
        places = _places(path, beside)
        for place in places.values():
            if place.exists():
                return place
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # too long, a loop of links, an unknown user's home
        raise DataError(f'"{path}" cannot be looked at ({error}); give another path') from error
    looked = listed(f"{place} ({why})" for why, place in places.items())
    hint = f"Set {DATA_VARIABLE} to the folder that holds it, or write its absolute path in the study."
    raise MissingData(f'"{path}" was not found. Looked at:{looked}\n{hint}')


def _places(path: str, beside: Path | None) -> dict[str, Path]:
    """Candidates in the order of preference, by the reason why they are candidates."""
    asked = Path(path).expanduser()
    if asked.is_absolute():
        return {"absolute": asked}
    places: dict[str, Path] = {}
    data = os.environ.get(DATA_VARIABLE)
    if data:
        places[f"under {DATA_VARIABLE}"] = Path(data).expanduser() / asked
    if beside is not None:
        places["beside the study"] = (beside if beside.is_dir() else beside.parent) / asked
    places["under the current folder"] = Path.cwd() / asked
    return places
