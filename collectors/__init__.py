"""What trainers write -> blocks of points."""
