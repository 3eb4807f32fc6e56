"""Decides which call leaves next, and when: order of wants, rate limits, retries and calls in flight."""
