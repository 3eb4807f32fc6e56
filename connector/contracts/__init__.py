"""What the connector shows the outside: topics, headers, codes, subjects, permissions."""
