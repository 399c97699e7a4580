"""``python -m imil_sim``: the same as ``imil-sim``."""

from __future__ import annotations

from imil_sim.cli.app import main

if __name__ == "__main__":
    main()
