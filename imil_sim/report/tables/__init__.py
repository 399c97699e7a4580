"""The tables of a report, a file a part: each declares a `TablePart`, found through the group ``imil_sim.tables``."""
