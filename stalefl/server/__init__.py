"""A round at the server: what clients were sent, and how their updates are checked, compensated and aggregated."""
