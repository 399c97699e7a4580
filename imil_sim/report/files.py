"""Files of a report, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from imil_sim.errors import UsageError
from imil_sim.io import make_folder, replace_file


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, making its folder; a reader finds the old file or the new one, never a part.

    Raises:
        UsageError: the place cannot be written; what was there is still there.
    """
    try:
        make_folder(path.parent)
        replace_file(path, content)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}. Make room or correct the permissions there, or name "
            "another folder with --out"
        ) from error
