"""Arrays in, findings out; no clock, no database, no chart."""
