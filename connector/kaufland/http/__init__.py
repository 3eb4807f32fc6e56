"""One signed HTTP request and its answer: client, transport, credentials, clock skew, limits."""
