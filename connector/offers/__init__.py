"""What an offer change means: identity, order, trust, links, outcomes per field. Pure."""
