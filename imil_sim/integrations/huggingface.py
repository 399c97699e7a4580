"""`IMILCallback` for the ``Trainer`` of transformers: ``Trainer(callbacks=[IMILCallback(imil)])``."""

from __future__ import annotations

from typing import Any

import transformers  # optional

from imil_sim.callback import IMIL


class IMILCallback(transformers.TrainerCallback):  # type: ignore[misc]  # it has no types
    """Consults after the training epochs."""

    def __init__(self, imil: IMIL) -> None:
        self.imil = imil

    def on_epoch_end(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        """Consult, if it is time."""
        self.imil.after_epoch(round(state.epoch), model)
