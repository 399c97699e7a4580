"""What is to be done and what was done: specs, studies, records; no torch."""
