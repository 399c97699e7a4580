"""Sessions out of what was drawn with other programs: `imil-sim import`.

Each format has a module that reads its files into `Outlines`, image by image; `imil_sim.sessions.importers.session`
makes sessions of them. A file is data from a stranger: it is read as text, strictly and with bounds, and nothing it
names is opened or fetched.
"""
