"""Which call leaves next, and when: ranking, rate limits, retries and calls in flight."""
