"""An oracle that cannot be imported here: it wants a package that nobody has."""

import a_package_that_nobody_has  # noqa: F401
