"""The built-in attacks, one plugin a file: each sees an exposure of an update and gives back the leak that it found."""
