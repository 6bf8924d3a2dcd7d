"""Searches of dense vectors on other devices, one a file; each exports `BACKEND`."""
