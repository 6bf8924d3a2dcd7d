"""Print docs/tables.md from the field metadata: `python -m schemas > docs/tables.md`."""

import sys

from schemas.describe import describe_tables

sys.stdout.write(describe_tables())
