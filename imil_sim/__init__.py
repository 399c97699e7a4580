"""imil-sim: what is clinician feedback worth when a medical image classifier is trained with it?"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("imil-sim")
except PackageNotFoundError:  # the source tree is on the path without having been installed
    __version__ = "0+unknown"
