"""The order flow: polls the marketplace for changed orders and returns, and writes each as a whole."""
