"""The simulated catalogue and the rules of its units."""
