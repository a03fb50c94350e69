"""Conclusions, which say what method is best in which setting and whether seeds may differ by as much."""
