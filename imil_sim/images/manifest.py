"""Any set described by a CSV file: a row an image, with its label and whatever else the study names columns for.

Images are named relative to the image folder, masks relative to the CSV file's folder; neither may leave it through
``..`` or an absolute path, so a table from elsewhere cannot read other files. An empty mask cell means that the image
has no mask; an empty group cell, that the image is a patient of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from imil_sim.errors import DataError, did_you_mean
from imil_sim.images.listing import Entry, Listing, Table, read_table, set_problems
from imil_sim.images.source import FileSource
from imil_sim.study.paths import resolve


class ManifestSource(FileSource):
    """A CSV file with a row an image."""

    path: str = Field(description="The CSV file; relative to IMIL_SIM_DATA or the study.")
    image_folder: str = Field(".", description="Folder of the images, relative to the CSV file.")
    image_column: str = Field("image", description="Column of the image's file.")
    label_column: str = Field("label", description="Column of the class.")
    classes: tuple[str, ...] | None = Field(
        None, description="Class names in order; labels in the file are these names, or 0, 1, ..."
    )
    split_column: str | None = Field(None, description="Column that says train or test.")
    test_value: str = Field("test", description="Value of the split column that means test; all others are training.")
    group_column: str | None = Field(None, description="Column of the patient; a split never tears a group apart.")
    attribute_columns: tuple[str, ...] = Field(
        (), description="Columns that describe an image and that only the report looks at."
    )
    mask_columns: dict[str, str] = Field(
        default_factory=dict,
        description="Mask name (lung, lesion) to the column that names the mask's file, relative to the CSV file.",
    )

    def list_files(self, beside: Path | None = None) -> Listing:
        """The images of the table, row by row; ids are the image column's values without extension.

        Labels are class names or, where they are not, indices into the classes. Without given classes, the distinct
        labels in order (numbers by value) are the classes.

        Raises:
            DataError: the table or the image folder cannot be read, has no rows, or lacks a column; or the split column
                never says test.
        """
        path = resolve(self.path, beside)
        table = read_table(path, _columns(self))
        if not table.rows:
            raise DataError(f"table {path} has no rows below its header; add a row an image")
        folder = Path(os.path.normpath(path.parent / self.image_folder))
        if not folder.is_dir():
            raise DataError(f'table {path}: image_folder "{self.image_folder}" is no folder ({folder})')
        _check_split(path, self, table)
        class_names = self.classes or _class_names(row[self.label_column] for row in table.rows)
        entries: list[Entry] = []
        problems: list[str] = []
        for row, line in zip(table.rows, table.lines, strict=True):
            entry, faults = _entry(row, self, class_names, folder, path.parent)
            problems += [f"{path.name} line {line}: {fault}" for fault in faults]
            entries += [entry] if entry else []
        return Listing(
            name="manifest",
            root=path,
            class_names=class_names,
            entries=tuple(entries),
            mask_names=tuple(self.mask_columns),
            attribute_names=self.attribute_columns,
            problems=(*problems, *set_problems(entries, class_names)),
            notices=_lonely(self, table),
        )


def _columns(source: ManifestSource) -> list[str]:
    optional = [source.split_column, source.group_column]
    named = [source.image_column, source.label_column, *(name for name in optional if name)]
    return [*named, *source.attribute_columns, *source.mask_columns.values()]


def _check_split(path: Path, source: ManifestSource, table: Table) -> None:
    """A misspelt test value would quietly make every image a training image."""
    if source.split_column is None:
        return
    found = {row[source.split_column] for row in table.rows}
    if source.test_value not in found:
        raise DataError(
            f'table {path}: no row has "{source.test_value}" in column "{source.split_column}". '
            f"{did_you_mean(source.test_value, found)} Set test_value to the one that means test"
        )
    if found == {source.test_value}:
        raise DataError(
            f'table {path}: every row is a test image (column "{source.split_column}"), none is for training'
        )


def _class_names(labels: Iterable[str]) -> tuple[str, ...]:
    found = {label for label in labels if label}
    numeric = all(label.isdecimal() for label in found)
    return tuple(sorted(found, key=int) if numeric else sorted(found))


def _entry(
    row: Mapping[str, str], source: ManifestSource, class_names: tuple[str, ...], folder: Path, beside: Path
) -> tuple[Entry | None, list[str]]:
    """The image of one row, and everything that is wrong with the row; no entry where something is."""
    faults = []
    name = row[source.image_column]
    image, fault = _inside(folder, name, "image")
    faults += [fault] if fault else []
    label, fault = _label(row[source.label_column], class_names)
    faults += [fault] if fault else []
    masks: dict[str, tuple[Path, ...]] = {}
    for mask_name, column in source.mask_columns.items():
        if row[column]:
            mask, fault = _inside(beside, row[column], f"{mask_name} mask")
            faults += [fault] if fault else []
            masks[mask_name] = (mask,)
    if faults:
        return None, faults
    id_ = os.path.splitext(name.replace("\\", "/"))[0]
    part = None
    if source.split_column is not None:
        part = "test" if row[source.split_column] == source.test_value else "train"
    group = (row[source.group_column] or f"only {id_}") if source.group_column is not None else None
    attributes = {column: row[column] for column in source.attribute_columns}
    return Entry(id_, image, label, masks, part, group, attributes), []


def _inside(folder: Path, name: str, what: str) -> tuple[Path, str]:
    """The file called ``name`` in ``folder``, and what is wrong with the name.

    Links are followed where they lie in the folder: whoever keeps the images put them there.
    """
    if not name:
        return folder, f"names no {what}; fill the cell"
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder) or path == folder:
        return path, f'{what} "{name}" leaves {folder}; name it relative to that folder, without ..'
    if not os.path.exists(path):
        return path, f'{what} "{name}" does not exist in {folder}; add the file, or remove the row'
    return path, ""


def _label(value: str, class_names: tuple[str, ...]) -> tuple[int, str]:
    if value in class_names:
        return class_names.index(value), ""
    if value.isdecimal() and int(value) < len(class_names):
        return int(value), ""
    if not value:
        return -1, f"has no label; fill the cell with one of {', '.join(class_names)}"
    numbers = f", or 0 to {len(class_names) - 1}"
    return -1, f'label "{value}" is outside the classes{numbers}. {did_you_mean(value, class_names)}'


def _lonely(source: ManifestSource, table: Table) -> tuple[str, ...]:
    if source.group_column is None:
        return ()
    count = sum(not row[source.group_column] for row in table.rows)
    return (f'{count} images have no "{source.group_column}": each counts as a group of its own',) if count else ()
