"""An importer: a text file with one square of ten pixels a line, ``IMAGE LEFT TOP``, on images of 100 x 100."""

from __future__ import annotations

from imil_sim.sessions.importers import Importer, ImportSource, Outlines


def read(source: ImportSource) -> list[Outlines]:
    """A line an image."""
    lines = [line.split() for line in source.text.splitlines()]
    return [
        Outlines(image, f"line {number}", size=(100, 100), boxes=((float(x), float(y), float(x) + 10, float(y) + 10),))
        for number, (image, x, y) in enumerate(lines, 1)
    ]


IMPORTER = Importer("dots of the guest", "Squares, a line each.", lambda source: source.path.suffix == ".dots", read)
