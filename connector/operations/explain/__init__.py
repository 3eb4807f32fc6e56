"""Implements ``connector explain``: what the flow makes of one event, and by which rule."""
