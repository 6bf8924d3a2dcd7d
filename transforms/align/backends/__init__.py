"""Aligners: one file each, found by name."""
