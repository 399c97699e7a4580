"""The simulated clinicians: one a file, each found through the entry-point group ``imil_sim.oracles``."""
