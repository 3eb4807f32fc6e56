"""``connector resend``: compares an EAN with the marketplace now, mends what differs, and says so in words."""
