"""IMIL in a plain PyTorch loop: three arms, three seeds, one report. A minute; the report's path is printed."""

import torch
from torch import nn
from torch.utils.data import DataLoader

import imil_sim as im

chests = im.load_images("phantom", size=32, train=120, test=60)
train, test = chests.take(range(120)), chests.take(range(120, 180))
arms = {"baseline": ("abstain", {}), "lung-fields": ("lung-fields", {}), "random": ("random-cells", {"count": 6})}

for seed in range(3):
    for arm, (oracle, options) in arms.items():
        imil = im.IMIL(
            train.pixels, train.labels, ids=train.ids, class_names=train.class_names, seed=seed,
            masks={"lung": train.masks["lung"].values}, oracle=oracle, options=options, imil_epoch=4, num_outliers=10,
        )  # fmt: skip
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2),
        )  # fmt: skip
        optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
        for epoch in range(1, 9):
            model.train()
            for images, labels in DataLoader(imil.dataset(), batch_size=16, shuffle=True):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
            imil.after_epoch(epoch, model)
        with torch.no_grad():
            shown = model.eval()(torch.stack([im.to_model_input(image) for image in test.pixels])).softmax(1)
        im.record_run(
            "results",
            study="mine",
            arm=arm,
            seed=seed,
            imil=imil,
            ids=test.ids,
            labels=test.labels,
            probabilities=shown,
        )
print(im.write_report("results", "results/report"))
