"""The offer flow: finds the unit that an event means, sends it the newest values, and writes how each field ended."""
