"""The ``schema`` verb."""

from __future__ import annotations

import json

from rich.console import Console

from imil_sim.study.schema import study_schema


def show_schema() -> None:
    """Print the JSON schema of study files."""
    text = json.dumps(study_schema(), indent=2)
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
