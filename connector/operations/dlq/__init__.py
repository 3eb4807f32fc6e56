"""Implements ``connector dlq``: lists, shows and redrives dead letters. Nothing is deleted from a dead-letter topic."""
