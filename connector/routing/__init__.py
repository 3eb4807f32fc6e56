"""Which account and storefront a target id means, and the routing that a group has accepted."""
