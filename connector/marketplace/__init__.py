"""The port that a marketplace adapter implements."""
