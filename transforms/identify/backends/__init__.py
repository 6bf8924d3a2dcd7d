"""Kinds of models, one a file."""
