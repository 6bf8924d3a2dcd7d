"""The corridor: what every room uses and no room owns."""
