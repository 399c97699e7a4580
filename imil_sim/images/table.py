"""CSV tables that stand beside images: read whole, as text, every value stripped."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imil_sim.errors import DataError, did_you_mean, listed


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a CSV file."""

    rows: tuple[Mapping[str, str], ...]
    """One a line below the header: column name to value; ``""`` where the line is too short."""
    lines: tuple[int, ...]
    """The line of the file each row ends on, counted from 1, for messages."""


def read_table(path: Path, columns: Sequence[str]) -> Table:
    """The CSV file (UTF-8, comma-separated, a header line), which must have all ``columns``.

    Raises:
        DataError: the file cannot be read, is no CSV, or lacks a column; all missing columns at once.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            header = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            _check(path, header, columns)
            rows, lines = [], []
            for row in reader:
                rows.append({name: value.strip() for name, value in row.items() if isinstance(name, str)})
                lines.append(reader.line_num)
    except OSError as error:
        raise DataError(f"table {path} cannot be read: {error.strerror}; check its path and its rights") from None
    except UnicodeDecodeError:
        raise DataError(f"table {path} is not UTF-8 text; save it as CSV (UTF-8)") from None
    except csv.Error as error:
        raise DataError(f"table {path} is not a CSV file: {error}; save it as CSV with commas") from None
    return Table(tuple(rows), tuple(lines))


def _check(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise DataError(f"table {path} has two columns called {', '.join(double)}; rename one")
    missing = [f'no column "{name}". {did_you_mean(name, header)}' for name in columns if name not in header]
    if missing:
        raise DataError(f"table {path} lacks columns that the study names:{listed(missing)}")
