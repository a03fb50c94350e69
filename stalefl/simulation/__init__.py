"""The simulator: who is late and by how much, the round loop, and the truth that only it has."""
