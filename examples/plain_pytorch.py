"""IMIL in a plain PyTorch loop: three arms, two seeds, one report. About a minute on a laptop.

Run it with ``python examples/plain_pytorch.py``; it prints where the report is.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader

import imil_sim as im

chests = im.load_images({"source": "phantom", "size": 48, "train": 160, "test": 80})
train, test = chests.take(range(160)), chests.take(range(160, 240))
lungs = train.masks["lung"].values


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(32, 2),
    )  # fmt: skip


for seed in (0, 1):
    for arm, oracle in {"baseline": "abstain", "lung-fields": "lung-fields", "inverted": "inverted"}.items():
        torch.manual_seed(seed)
        model = network()
        options = {"like": "lung-fields"} if oracle == "inverted" else {}
        imil = im.IMIL(train.pixels, train.labels, ids=train.ids, class_names=train.class_names, seed=seed,
                       masks={"lung": lungs}, oracle=oracle, options=options, imil_epoch=4, num_outliers=12)  # fmt: skip
        optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
        for epoch in range(1, 9):
            model.train()
            for images, labels in DataLoader(imil.dataset(), batch_size=16, shuffle=True):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
            imil.after_epoch(epoch, model)
        model.eval()
        with torch.no_grad():
            p = model(torch.stack([im.to_model_input(image) for image in test.pixels])).softmax(1)
        im.record_run("results", study="mine", arm=arm, seed=seed, imil=imil,
                      ids=test.ids, labels=test.labels, probabilities=p)  # fmt: skip
print(im.write_report("results", "results/report"))
