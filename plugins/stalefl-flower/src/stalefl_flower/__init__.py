"""stalefl's compensators inside a Flower federation: a ServerApp that does not wait for slow SuperNodes, and a
ClientApp that runs stalefl's local program. The modules ``server_app`` and ``client_app`` hold them as ``app``."""

__version__ = "0.1.0"
