"""The start of ``connector run``: plans the run, checks its requirements, and waits for unavailable services."""
