"""The connector's external contracts: topics, headers, codes, registry subjects, permissions."""
