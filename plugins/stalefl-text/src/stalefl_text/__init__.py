"""Federated text classification for stalefl."""
