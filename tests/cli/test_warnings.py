"""What may spoil a result is said when a study is run, not only by the ``data`` verb."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from imil_sim.cli.run import Where, library_of
from imil_sim.study.study import parse_study


def test_a_image_on_both_sides_of_the_split_is_named_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    library_of(study, Where(tmp_path / "store"))
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("identical images on both sides of the split: image1, image7") == 1
