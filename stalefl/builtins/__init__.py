"""The built-in data sets, models, methods and attacks, registered through the public hooks."""
