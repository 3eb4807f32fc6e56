"""Read-only HTTP pages for monitoring systems and operators."""
