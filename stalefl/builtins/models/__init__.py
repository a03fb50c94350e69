"""The built-in models, and what they share."""
