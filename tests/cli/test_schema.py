"""The ``schema`` verb prints the schema and nothing else."""

from __future__ import annotations

import json
from typing import Any

from imil_sim.study.schema import study_schema


def test_the_schema_is_printed_as_json_that_a_file_can_hold(call: Any) -> None:
    called = call("schema")
    assert (called.code, called.err) == (0, "")
    assert json.loads(called.out) == study_schema()
