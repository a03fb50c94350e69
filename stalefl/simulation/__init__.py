"""Rounds with late clients: who is late and by how much, the round loop, and the truth it compares with."""
