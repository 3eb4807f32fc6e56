"""Implements ``connector why``: what is known of an EAN at a time, which event won, who lost to it, and what waits."""
