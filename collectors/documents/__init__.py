"""Small files beside the logs that hold no points: results of evaluations, expert scores, data sets; a reader each."""
