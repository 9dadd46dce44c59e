"""The verbs of the command, a few lines each. Every import of a room stands inside its verb."""
