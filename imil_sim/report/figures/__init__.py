"""Figures of a report, each a part in a file of its own (`imil_sim.report.parts.FigurePart`); no record, no torch.

Every picture has a caption, a text for somebody who cannot see it, computed from the numbers, and, unless it is made
of images, the numbers as a table. Equal input gives equal bytes, whatever the user's matplotlib settings.
"""
