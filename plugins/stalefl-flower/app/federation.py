"""What `flwr run` loads."""

from stalefl_flower.client_app import app as client_app
from stalefl_flower.server_app import app as server_app

__all__ = ["client_app", "server_app"]
