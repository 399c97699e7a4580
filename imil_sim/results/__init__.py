"""What became of a study: from the store's records to tables, reports, sessions, exports and verdicts."""
