from __future__ import annotations

import numpy as np
import pytest

from imil_sim.testing import OracleCheckError, check_oracle, sample_questions
from imil_sim_oracles.abstain import Abstain


def test_it_keeps_the_promises_of_an_oracle_that_never_answers() -> None:
    check_oracle(Abstain(), abstains=True)
    with pytest.raises(OracleCheckError, match="abstained from all 63 questions"):
        check_oracle(Abstain())


def test_it_gives_its_reason_and_no_cells() -> None:
    question = sample_questions()[0]
    answer = Abstain("on leave").answer(question, np.random.default_rng(0))
    assert (answer.image_id, answer.cells, answer.reason) == (question.image_id, None, "on leave")


def test_an_abstention_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="says why"):
        Abstain("")
