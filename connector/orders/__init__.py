"""Orders in: a poller brings what has changed, always as whole orders."""
