"""read: files -> documents. WARC, HTML, text, lines, JSON lines, Parquet, TMX; main text by trafilatura."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.read.settings import ReadSettings, Source

if TYPE_CHECKING:
    from transforms.read.extract import Extracted, extract_page
    from transforms.read.inputs import Input, list_inputs
    from transforms.read.stage import Read

__all__ = ["Extracted", "Input", "Read", "ReadSettings", "Source", "extract_page", "list_inputs"]

__getattr__ = late(__name__, inputs=("Input", "list_inputs"), extract=("Extracted", "extract_page"), stage=("Read",))
