"""What attacks compute with: gradients behind updates, shares of labels, searches; never the truth."""
