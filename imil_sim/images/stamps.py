"""Whether a file is still the one that was read: by size and times, which is what a look at a folder costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""Bytes, and when content and entry were last changed, nanoseconds."""


def stamps(files: Iterable[Path]) -> dict[Path, Stamp]:
    """The stamp of every file; one that cannot be looked at has none."""
    return {path: stamp for path in files if (stamp := _stamp(path)) is not None}


def altered(before: Mapping[Path, Stamp]) -> list[Path]:
    """The files whose stamp is another one now, or which have gone."""
    return [path for path, stamp in before.items() if _stamp(path) != stamp]


def _stamp(path: Path) -> Stamp | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns
