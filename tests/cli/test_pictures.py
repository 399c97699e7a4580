from __future__ import annotations

import numpy as np

from imil_sim.feedback.grid import Grid
from imil_sim.output.pictures import varied
from imil_sim.report.figures.interactions import Sample


def asked(image_id: str, true_name: str) -> Sample:
    image = np.zeros((8, 8), np.uint8)
    return Sample(
        image_id=image_id,
        image=image,
        cam=np.zeros((8, 8), np.float32),
        grid=Grid(2, 2),
        cells=None,
        result=image,
        true_name=true_name,
        predicted_name="",
        confidence=0.9,
        oracle="",
        note="",
    )


def test_a_sheet_shows_both_classes_in_the_order_of_asking() -> None:
    samples = [asked(f"{i}", name) for i, name in enumerate(["normal"] * 5 + ["TB", "normal", "TB", "TB"])]
    assert [s.image_id for s in varied(samples, 4)] == ["0", "1", "5", "7"]
    assert [s.image_id for s in varied(samples, 9)] == [s.image_id for s in samples]
    assert [s.image_id for s in varied(samples[:5], 3)] == ["0", "1", "2"]
