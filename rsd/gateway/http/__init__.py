"""Connections, their limits, authentication and logs, and how an answer reaches its client."""
