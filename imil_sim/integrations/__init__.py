"""The loop in the training libraries: each adapter only says when."""
