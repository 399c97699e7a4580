"""What the reader is told to do: it stands on the page, and word by word in the session.

It says which images these are and what becomes of the cells, as the study has it; a reader who is told that an image
was misread, or that cells go black, where neither is so, answers another question.
"""

from __future__ import annotations

from imil_sim.annotate.questions import Asked
from imil_sim.registry import load
from imil_sim.sessions.session import MOST_INSTRUCTIONS

_FILLED_UP = "Where these were too few, images to which it gave the right class were added."
_CHOOSE = "Choose the cells that matter for the true class; prefer a single connected region."
_REST = (
    "No cell chosen says that nothing on the image matters. Skip an image that you do not want to answer. If you "
    "like, say"
    " why: the model was focused on ... so I switched the focus towards ..."
)


def instructions(asked: Asked) -> str:
    """What is told to somebody who answers these questions."""
    parts = [load("selections", asked.selection).images]
    if asked.fill_up != "none":
        parts.append(_FILLED_UP)
    parts += [_CHOOSE, _becomes(asked), _REST]
    return " ".join(parts)


def _becomes(asked: Asked) -> str:
    """What becomes of the cells that are not chosen."""
    if asked.through:
        return f"What is done with your cells is up to the oracle {asked.through}, which asks you."
    filled = f"all other cells are {load('fills', asked.fill).done}"
    if asked.mode == "append":
        return f"The image stays in training as it is, and a copy of it in which {filled} is added."
    return f"In training {filled}."


def together(before: str, told: str) -> str:
    """All that a reader was told in one session: what stood in its header before, and what is told now."""
    if told in before:
        return before
    return f"{before}\n\n{told}".strip()[:MOST_INSTRUCTIONS]
