"""``python tests/undrawn.py VERB ...``: imil-sim as it is, but that its figures are made and not drawn as pixels.

Drawing takes far longer than everything else of a small study; what it draws is tested elsewhere.
"""

from __future__ import annotations

import sys
from typing import Any

SCRIPT = __file__


def leave_figures_undrawn(setattr: Any = setattr) -> None:
    """Put a picture of nothing in the place of every figure, from now on in this process."""
    import cv2
    import numpy as np

    from imil_sim.report.figures import style

    png = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt" viewBox="0 0 72 72"></svg>'
    setattr(style, "png_of", lambda figure, exact=True: png)
    setattr(style, "svg_of", lambda figure: svg)


if __name__ == "__main__":
    from imil_sim.cli.app import main

    leave_figures_undrawn()
    main(sys.argv[1:])
