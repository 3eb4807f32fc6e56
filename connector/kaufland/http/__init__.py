"""Sends one signed HTTP request and reads its response: client, transport, credentials, clock skew, limits."""
