"""What HTTP clients have in common: proxies, TLS contexts of files, credentials, and what a failure means."""
