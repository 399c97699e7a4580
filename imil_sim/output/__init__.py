"""What a study leaves: tables, reports, sessions, exports, verdicts, made of the records in its store."""
