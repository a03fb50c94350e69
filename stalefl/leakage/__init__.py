"""What attacks compute with: the gradient behind an update, searches for inputs that explain it, and its labels."""
