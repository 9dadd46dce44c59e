"""One file per container: how its bytes become rows."""
