"""IMIL in Keras 3 on torch: one arm of feedback, one without, three seeds, one report; its path is printed."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import torch
from torch.utils.data import DataLoader

import imil_sim as im
from imil_sim.integrations.keras import IMILCallback, grad_cam, predict

chests = im.load_images("phantom", size=32, train=120, test=60)
train, test = chests.take(range(120)), chests.take(range(120, 180))


def to_input(image):
    """(height, width, 1), in [0, 1]."""
    return torch.from_numpy(image)[..., None].float() / 255


for seed in range(3):
    for arm, oracle in {"baseline": "abstain", "lung-fields": "lung-fields"}.items():
        imil = im.IMIL(train.pixels, train.labels, ids=train.ids, oracle=oracle, seed=seed, imil_epoch=3,
                       predict=predict(to_input), cam=grad_cam(to_input))  # fmt: skip
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        model = keras.Sequential([
            keras.Input((32, 32, 1)), layers.Conv2D(32, 3, activation="relu"), layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ])  # fmt: skip
        model.compile("adam", "sparse_categorical_crossentropy")
        loader = DataLoader(imil.dataset(to_input), batch_size=16, shuffle=True)
        model.fit(loader, epochs=6, verbose=0, callbacks=[IMILCallback(imil)])
        shown = predict(to_input)(model, test.pixels).softmax(1)
        im.record_run("results", study="with-keras", arm=arm, seed=seed, imil=imil, ids=test.ids,
                      labels=test.labels, probabilities=shown)  # fmt: skip
print(im.write_report("results", "results/report"))
