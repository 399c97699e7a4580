"""The images of a training of one's own: imil-sim has its results, and never sees the images themselves."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from imil_sim.errors import DataError
from imil_sim.images.listing import Listing
from imil_sim.images.source import FileSource


class OwnImages(FileSource):
    """Images of a training of one's own; stands in the records that `imil_sim.record_run` writes, not in a study."""

    size: int = Field(0, ge=0, le=0, description="Unknown.")

    def list_files(self, beside: Path | None) -> Listing:
        """Nothing can be listed.

        Raises:
            DataError: always.
        """
        raise DataError(
            'images "own": they belong to a training of your own, which imil-sim cannot repeat; name another source'
        )
