"""The method dynafed: pseudo data made from the global model's early trajectory."""
