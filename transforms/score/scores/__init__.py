"""Scores: one file a family. A file defines `FIELDS` and `compute`; its name is the family's."""
