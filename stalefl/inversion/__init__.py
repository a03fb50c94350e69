"""Gradient inversion: the search for D_rec, and what methods learn from updates without the truth."""
