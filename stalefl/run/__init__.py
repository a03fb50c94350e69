"""Runs, comparisons and sweeps: built from experiments, carried out, recorded and summarised."""
