"""Named random streams: every draw is a function of (seed, name, indices), never of a state.

Nothing draws from a global generator and no generator state is ever saved, so resuming is exact by construction and
adding a draw to one stream moves no other. Runs that share a seed share the streams ``split``, ``weights`` and
``order``: they are paired.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal, get_args

import numpy as np

Stream = Literal[
    "split", "weights", "order", "augment", "dropout", "oracle", "select", "fill", "placebo", "phantom", "verify"
]
"""The names of all streams; a draw from any other name is a programming error."""


def entropy(seed: int, name: Stream, *indices: int | str) -> int:
    """The 128-bit number that stands for one stream, the same on every machine and version.

    Raises:
        ValueError: the name is not one of `Stream`, or an index is neither ``int`` nor ``str``.
    """
    if name not in get_args(Stream):
        raise ValueError(f"no random stream is called {name!r}; known: {', '.join(get_args(Stream))}")
    for index in indices:
        if type(index) not in (int, str):
            raise ValueError(f"stream {name!r}: index {index!r} is a {type(index).__name__}; use int or str")
    text = json.dumps([int(seed), name, *indices], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def stream(seed: int, name: Stream, *indices: int | str) -> np.random.Generator:
    """A fresh numpy generator for the stream; equal arguments give equal draws.

    >>> a, b = stream(1, "order", 5), stream(1, "order", 5)
    >>> bool((a.permutation(100) == b.permutation(100)).all())
    True
    """
    return np.random.Generator(np.random.PCG64(entropy(seed, name, *indices)))


def torch_seed(seed: int, name: Stream, *indices: int | str) -> int:
    """A number in [0, 2**63) for libraries that take an integer seed instead of a generator."""
    return entropy(seed, name, *indices) >> 65
