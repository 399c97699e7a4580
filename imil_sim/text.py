"""Words and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

DIGITS = 3
"""Of a metric: with a few hundred test images the third is already noise."""

MINUS = "−"


def number(value: float, *, signed: bool = False, digits: int = DIGITS) -> str:
    """With that many digits after the point, a true minus, and no sign before nothing but zeros.

    >>> number(-0.0004, signed=True), number(0.0126, signed=True)
    ('0.000', '+0.013')
    """
    shown = f"{value:{'+' if signed else ''}.{digits}f}"
    return shown.replace("-", MINUS) if float(shown) else f"{0:.{digits}f}"


def joined(names: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in ascending order, neighbours as a range.

    >>> ranges([7, 0, 1, 2, 4, 5])
    '0-2, 4, 5, 7'
    """
    runs: list[list[int]] = []
    for value in sorted(set(numbers)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(shown)


def capital(text: str) -> str:
    """The text with its first letter a capital one."""
    return text[:1].upper() + text[1:]
