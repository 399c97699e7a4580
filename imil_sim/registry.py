"""The installed parts of every kind: found through entry points, imported only when asked for.

What may be added to imil-sim is a *part*: one file that declares one object, and one line of a package's
``pyproject.toml``, ours and guests' alike::

    [project.entry-points."imil_sim.oracles"]
    lung-fields = "imil_sim_oracles.lung_fields:LungFields"

The name on the left is the one that studies, tables and messages use. Names of parts are written nowhere else.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from imil_sim.errors import PartError, did_you_mean

KINDS = {
    "oracles": "oracle",
    "sources": "image source",
    "models": "model",
    "augmentations": "augmentation",
    "selections": "selection",
    "fills": "fill",
    "metrics": "metric",
    "tables": "table",
    "figures": "figure",
    "importers": "importer",
}
"""Every kind of part by the end of its entry-point group, ``imil_sim.KIND``, with what one of them is called."""


@dataclass(frozen=True, slots=True)
class Part:
    """One installed part, as its package announces it; nothing is imported to know this."""

    kind: str
    """A key of `KINDS`."""
    name: str
    distribution: str
    """The installed package that offers it, with its version."""
    target: str
    """``module:object``."""

    @property
    def guest(self) -> bool:
        """Whether another package than imil-sim offers it."""
        return self.distribution.partition(" ")[0] != "imil-sim"


def parts(kind: str) -> tuple[Part, ...]:
    """Every installed part of a kind, by name; a name that two packages claim is there twice."""
    return tuple(_part(kind, entry) for entry in _entries(kind))


def names(kind: str) -> tuple[str, ...]:
    """The names of the installed parts of a kind, sorted, each once."""
    return tuple(dict.fromkeys(entry.name for entry in _entries(kind)))


def load(kind: str, name: str) -> Any:
    """The object that the part of that kind and name declares.

    Raises:
        PartError: no package offers the name, more than one does, or importing it fails.
    """
    claims = [entry for entry in _entries(kind) if entry.name == name]
    what = f'{KINDS[kind]} "{name}"'
    if not claims:
        known = names(kind)
        look = f"Run imil-sim {kind} for their list, or install" if kind == "oracles" else "Install"
        hint = did_you_mean(name, known, f"{look} the package that offers it.")
        raise PartError(f"{what} is not installed. {hint}", kind, name)
    if len(claims) > 1:
        packages = " and ".join(f"{_part(kind, entry).distribution} ({entry.value})" for entry in claims)
        raise PartError(f"{what} is offered by {packages}: rename it in one of them, or uninstall one", kind, name)
    try:
        return claims[0].load()
    except Exception as error:
        part = _part(kind, claims[0])
        raise PartError(
            f"{what} of {part.distribution} ({part.target}) cannot be imported: {type(error).__name__}: {error}. "
            "Install what it needs, or mend the package.",
            kind,
            name,
        ) from error


def load_all(kind: str) -> dict[str, Any]:
    """Every installed part of a kind by its name, in the order of the names.

    Raises:
        PartError: as `load`.
    """
    return {name: load(kind, name) for name in names(kind)}


def name_of(kind: str, declared: object) -> str:
    """The name under which ``declared`` is installed; empty where it is under none, or under several.

    Nothing is imported to know this.
    """
    found = {entry.name for entry in _entries(kind) if _loaded(entry) is declared}
    return found.pop() if len(found) == 1 else ""


def summary(declared: object) -> str:
    """The first sentence of what ``declared`` says of itself, on one line; empty where it has no docstring."""
    paragraph = " ".join((inspect.getdoc(declared) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=[.:]) (?=[A-Z(])", paragraph, maxsplit=1)[0].rstrip(".")


@functools.cache
def _entries(kind: str) -> tuple[metadata.EntryPoint, ...]:
    if kind not in KINDS:
        raise ValueError(f"no kind of part is called {kind!r}; known: {', '.join(KINDS)}")
    found = metadata.entry_points(group=f"imil_sim.{kind}")
    return tuple(sorted(found, key=lambda entry: (entry.name, _part(kind, entry).distribution)))


def _part(kind: str, entry: metadata.EntryPoint) -> Part:
    origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
    return Part(kind, entry.name, origin, entry.value)


def _loaded(entry: metadata.EntryPoint) -> object:
    """What the entry names, if its module has been imported; else None."""
    try:
        return functools.reduce(getattr, entry.attr.split("."), sys.modules[entry.module])
    except (KeyError, AttributeError):
        return None
