"""Decides what a response means for the items of a call: the verdict table, and the code that applies it."""
