"""The two kinds of image source: files on disk, and pictures that are drawn.

A source is a part (entry-point group ``imil_sim.sources``): a frozen spec below one of these classes, whose fields are
what a study file writes in ``[images]``. It loads no torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from imil_sim.errors import UsageError
from imil_sim.images.image_set import ImageSet, Pictures
from imil_sim.images.listing import Listing
from imil_sim.study.spec import Source, lines, source_class

__all__ = ["DrawnSource", "FileSource", "Source", "source_of"]


class FileSource(Source):
    """A source whose images and masks are files; `imil_sim.images.load` decodes them."""

    @abstractmethod
    def list_files(self, beside: Path | None) -> Listing:
        """What there is on disk; no picture is opened.

        Args:
            beside: the study file or its folder, for `imil_sim.study.paths.resolve`.

        Raises:
            DataError: the source is missing, or is not laid out as its kind must be.
        """


class DrawnSource(Source):
    """A source whose images are drawn, always the same ones for the same spec."""

    revision: ClassVar[int] = 1
    """Raised whenever the images of a spec change; it enters the key of the kept pictures."""

    @abstractmethod
    def draw(self) -> Pictures:
        """The pictures and masks, in order."""

    @abstractmethod
    def image_set(self, pictures: Pictures) -> ImageSet:
        """The image set of what `draw` gave, or of a kept copy of it."""


def source_of(name: str, fields: Mapping[str, Any]) -> Source:
    """The installed image source of that name with these fields, as in a study's table ``[images]``.

    Raises:
        PartError: there is none.
        UsageError: a field is wrong.
    """
    try:
        return source_class(name).model_validate({**fields, "source": name})
    except ValidationError as error:
        raise UsageError(f"images {name}: {'; '.join(lines(error))}") from error
