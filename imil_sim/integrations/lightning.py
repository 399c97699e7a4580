"""`IMILCallback` for Lightning: ``Trainer(callbacks=[IMILCallback(imil)])``."""

from __future__ import annotations

from typing import Any

import imil_sim.training.vision  # noqa: F401 - cures the trap of torchvision before Lightning meets it
from imil_sim.callback import IMIL

import lightning  # optional  # isort: skip


class IMILCallback(lightning.Callback):
    """Consults after the training epochs; its checkpoints hold what was answered.

    The module is looked at through its ``forward``; a module without one is given to `IMIL` with ``predict=`` and
    ``cam=``. With ``mode="append"`` the trainer counts its batches anew only with
    ``reload_dataloaders_every_n_epochs=1``.
    """

    def __init__(self, imil: IMIL) -> None:
        self.imil = imil

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Consult, if it is time."""
        self.imil.after_epoch(trainer.current_epoch + 1, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self.imil.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.imil.load_state_dict(state_dict)
