"""``connector guard``: what guard rails hold, and what a person decides on it."""
