"""Other watchers of RL runs on the same runs: `python -m benchmarks.rivals`."""
