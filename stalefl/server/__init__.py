"""The server of a run: its rounds, its optimiser, and what it remembers of models and updates."""
