"""Notice, decide, tell."""
