"""Gradient inversion at the server: D_rec, the search for it, and how far its estimates are trusted."""
