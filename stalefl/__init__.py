"""stalefl: federated learning with late clients."""

__version__ = "0.1.0"
