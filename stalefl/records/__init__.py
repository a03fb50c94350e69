"""What lies on disk of runs, comparisons, sweeps, inversions and audits, and the figures that are read from it."""
