"""The built-in methods, which make up for late updates, one a file."""
