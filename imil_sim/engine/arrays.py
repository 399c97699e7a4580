"""Named arrays in a file: npz without objects, whose bytes depend on the arrays alone."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil_sim.errors import StoreError

MOST_UNPACKED = 1 << 32
"""Bytes of all arrays in one file, 4 GiB: the heat-maps of 500 images of 1024 x 1024 pixels."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Named arrays as an npz file whose bytes depend on the arrays alone.

    Raises:
        ValueError: an array holds objects, which only pickle could store.
        StoreError: `read_arrays` would refuse it for its size.
    """
    if (size := sum(array.nbytes for array in arrays.values())) > MOST_UNPACKED:
        raise StoreError(f"{size:,} bytes are more than a file may hold ({MOST_UNPACKED:,}); ask about fewer images")
    if objects := sorted(name for name, array in arrays.items() if array.dtype.hasobject):
        raise ValueError(f"arrays of objects cannot be stored: {', '.join(objects)}")
    content = io.BytesIO()  # a disk that fails in the middle of an archive comes out as an error about the archive
    np.savez_compressed(content, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]
    path.write_bytes(content.getbuffer())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of `write_arrays`; what the file claims to hold is looked at before anything is unpacked.

    Raises:
        StoreError: it is no such file, holds objects, or unpacks to more than `MOST_UNPACKED` bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(_unpacked_size(archive, member) for member in archive.infolist())) > MOST_UNPACKED:
                raise ValueError(f"it unpacks to {size:,} bytes, more than {MOST_UNPACKED:,}")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise StoreError(f"{path} was not read: {error}; remove its folder, what is needed is made again") from error


def _unpacked_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Bytes of an array with its header, as the archive and the header alike say."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds objects, which may run code")
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"{member.filename} claims another size than it has")
    return member.file_size
