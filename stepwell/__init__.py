"""The front door: the `stepwell` command, where all rooms meet."""
