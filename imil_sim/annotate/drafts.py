"""What a reader chose and did not save yet: kept beside the session, so that a server that ends takes nothing along.

Kept here and not in the browser. A page of the next start has another address, and storage of a browser goes by
address. Serving at the same port every time would bring it back, but would also make the port known beforehand: who
took it while nobody serves there could read what the browser stored for it, and leave a service worker in it that reads
the token of the next start. So the port stays another one each time, and nothing outlives a window in the browser.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from imil_sim.errors import SessionError
from imil_sim.io import replace_file
from imil_sim.sessions.session import MOST_REASON, ImageId, Sha256
from imil_sim.sessions.untrusted import read_untrusted
from imil_sim.study.spec import Spec

MOST_DRAFTS = 64
MOST_BYTES = 1 << 23
"""Of all drafts of a session; the oldest go first."""


class Given(Spec):
    """One answer as the reader gives it, or has not finished it."""

    cells: tuple[int, ...] | None = Field(description="Numbers of the cells, ascending; null: the image is skipped.")
    reason: Annotated[str, StringConstraints(max_length=MOST_REASON)] = ""
    seconds: Annotated[float, Field(ge=0, le=10**7)] | None = None
    replaces: str | None = Field(None, description="Version of the answer that it replaces; null: there was none.")

    @model_validator(mode="after")
    def _cells_ascend(self) -> Given:
        if self.cells is not None and list(self.cells) != sorted(set(self.cells)):
            raise ValueError("cells must be ascending numbers, each once")
        return self


class Draft(Spec):
    """What was chosen on one image, before one heat-map."""

    image_id: ImageId
    cam_sha256: Sha256
    given: Given


class _Sheet(Spec):
    format: Literal["imil-sim drafts"] = "imil-sim drafts"
    version: Literal[1] = 1
    drafts: tuple[Draft, ...]


def read_drafts(path: Path) -> tuple[Draft, ...]:
    """The drafts in a file, the one that was changed last at the end; none where it holds none that can be read.

    A draft is a convenience: one that is damaged keeps nobody from answering.
    """
    try:
        return _Sheet.model_validate_json(read_untrusted(path, MOST_BYTES), strict=True).drafts
    except (SessionError, ValidationError):
        return ()


def write_drafts(path: Path, drafts: tuple[Draft, ...]) -> None:
    """These drafts in place of those that were there, all of them or none; without any, the file is gone.

    A draft outlives this process, not a loss of power.

    Raises:
        SessionError: they cannot be written.
    """
    drafts = drafts[-MOST_DRAFTS:]
    while len(data := _Sheet(drafts=drafts).model_dump_json().encode()) > MOST_BYTES:
        drafts = drafts[1:]
    try:
        if not drafts:
            path.unlink(missing_ok=True)
            return
        replace_file(path, data)
    except OSError as error:
        raise SessionError(f"{path} cannot be written: {error.strerror}; what was not saved is not kept") from error
