"""The roof: runs, as sentences of nouns and verbs. Composition, configuration, command line; no algorithms."""

import logging
from importlib.metadata import PackageNotFoundError, version

# Beam says so whenever it is imported without Google's libraries, which nobody here asked for.
logging.getLogger().addFilter(lambda record: not record.getMessage().startswith("apitools not found"))

try:
    VERSION = version("isogloss")
except PackageNotFoundError:  # a source tree that was never installed
    VERSION = "0+unknown"
