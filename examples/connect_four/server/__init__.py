"""The server of the connect four environment."""
