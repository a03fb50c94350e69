"""Single updates, of a run, of files or made on the spot, and their inversion."""
