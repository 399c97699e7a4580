"""The command line: composes the rooms below, prints, and does nothing itself."""
