"""The oracles of a checkout by their installed name: an editable install finds the folder ``oracles/`` through this.

A wheel holds the folder itself as ``imil_sim_oracles``, and not this file. As ``oracles`` it would break, and be broken
by, a folder of that name in somebody's own project; for the same reason the folder has no ``__init__.py``.
"""

from __future__ import annotations

from pathlib import Path

__path__ = [str(Path(__file__).with_name("oracles"))]
