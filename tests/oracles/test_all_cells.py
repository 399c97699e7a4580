from __future__ import annotations

import numpy as np

from imil_sim.feedback import blackout
from imil_sim.testing import check_oracle, sample_questions
from imil_sim_oracles.all_cells import AllCells


def test_it_keeps_the_promises_of_an_oracle() -> None:
    check_oracle(AllCells())


def test_its_answer_leaves_the_image_as_it_was() -> None:
    for question in sample_questions():
        cells = AllCells().answer(question, np.random.default_rng(0)).cells
        assert cells is not None
        assert cells.shape == question.grid.shape
        kept = question.grid.cells_to_mask(cells, question.image.shape)
        assert (blackout(question.image, kept) == question.image).all()
