"""Local training and evaluation on a flat weight vector, for clients, server and inversion alike."""
