"""The built-in data sets, and what they share."""
