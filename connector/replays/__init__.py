"""Replays: parts of the input of offers that are read again beside the live events."""
