"""Files of a report, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from imil_sim.errors import UsageError


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, making its folder; a reader finds the old file or the new one, never a part.

    Raises:
        UsageError: the place cannot be written; what was there is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(content)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}. Make room or correct the permissions there, or name "
            "another folder with --out"
        ) from error
