"""Experiment trackers as sources: databases and servers that hold runs, where a log file holds one.

One module per tracker, opened by `following.py`; each lists runs with a stamp that changes when anything was logged,
and reads what is new of one run.
"""
