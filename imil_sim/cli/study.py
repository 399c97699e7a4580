"""What the verbs that take a study have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imil_sim.errors import OracleError, UsageError
from imil_sim.feedback import make_oracle
from imil_sim.study.study import Study, find_study, read_study


def open_study(asked: str, seeds: int | None = None) -> Study:
    """The study of that path or shipped name, with only its first ``seeds`` seeds where a number is given.

    Raises:
        StudyError: there is none, or it is wrong.
        UsageError: more seeds are asked for than the study declares.
    """
    study = read_study(find_study(asked), _oracle_problem)
    if seeds is None:
        return study
    if seeds > len(study.seeds):
        raise UsageError(f"--seeds {seeds}: study {study.name} declares {len(study.seeds)}; raise seeds in the file")
    return replace(study, seeds=study.seeds[:seeds])


def _oracle_problem(name: str, options: Mapping[str, Any]) -> str:
    try:
        make_oracle(name, options)
    except OracleError as error:
        return str(error)
    return ""
