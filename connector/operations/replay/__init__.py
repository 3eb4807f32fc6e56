"""``connector replay``: plans, runs and watches replays."""
