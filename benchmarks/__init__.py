"""How fast Stepwell is, beside what the same bytes cost elsewhere: `python -m benchmarks`."""
