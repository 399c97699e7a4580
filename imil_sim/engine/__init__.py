"""From a study to its records: consult, run, store."""
