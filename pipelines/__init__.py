"""The roof: runs, as sentences of nouns and verbs. Composition, configuration, command line; no algorithms."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("isogloss")
except PackageNotFoundError:  # a source tree that was never installed
    VERSION = "0+unknown"
