"""What may spoil a result is said when a study is run, not only by the ``data`` verb."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from imil_sim.engine.study_run import load_images_of
from imil_sim.progress import Progress
from imil_sim.study.study import parse_study


def test_a_image_on_both_sides_of_the_split_is_named_before_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["image,label,part"]
    for number in range(8):
        cv2.imwrite(str(tmp_path / f"image{number}.png"), rng.integers(0, 256, (32, 32), dtype=np.uint8))
        lines.append(f"image{number}.png,{number % 2},{'test' if number > 5 else 'train'}")
    (tmp_path / "image7.png").write_bytes((tmp_path / "image1.png").read_bytes())
    (tmp_path / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    study = parse_study(
        {
            "name": "twins",
            "seeds": 2,
            "images": {"source": "manifest", "path": "images.csv", "size": 32, "split_column": "part"},
            "model": {"name": "resnet10"},
            "arms": {"baseline": {}, "mixup": {"augmentation": {"name": "mixup"}}},
        },
        beside=tmp_path,
    )
    warned: list[str] = []

    class Listening(Progress):
        def warn(self, message: str) -> None:
            warned.append(message)

    load_images_of(study, tmp_path / "store", Listening())
    assert len([text for text in warned if "image1, image7" in text]) == 1
