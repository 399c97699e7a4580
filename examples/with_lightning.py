"""IMIL in a Lightning module: one arm of feedback, one without, three seeds, one report; its path is printed."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import imil_sim as im
from imil_sim.integrations.lightning import IMILCallback, lightning

chests = im.load_images("phantom", size=32, train=120, test=60)
train, test = chests.take(range(120)), chests.take(range(120, 180))


class Classifier(lightning.LightningModule):
    """A small network and its training."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.network(images)

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), 2e-3)


for seed in range(3):
    for arm, oracle in {"baseline": "abstain", "lung-fields": "lung-fields"}.items():
        imil = im.IMIL(train.pixels, train.labels, ids=train.ids, oracle=oracle, seed=seed, imil_epoch=3)
        lightning.seed_everything(seed, verbose=False)
        model = Classifier()
        lightning.Trainer(
            max_epochs=6, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[IMILCallback(imil)],
        ).fit(model, DataLoader(imil.dataset(), batch_size=16, shuffle=True))  # fmt: skip
        with torch.no_grad():
            shown = model.eval()(torch.stack([im.to_model_input(image) for image in test.pixels])).softmax(1)
        im.record_run("results", study="with-lightning", arm=arm, seed=seed, imil=imil, ids=test.ids,
                      labels=test.labels, probabilities=shown)  # fmt: skip
print(im.write_report("results", "results/report"))
