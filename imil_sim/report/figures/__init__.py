"""The figures of a report: each has a caption, a text in its place and, unless it is of images, its numbers."""
