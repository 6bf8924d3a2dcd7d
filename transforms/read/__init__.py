"""read: files -> documents. WARC, HTML, text, lines, JSON lines, Parquet, TMX; main text by trafilatura."""

from transforms.read.extract import Extracted, extract_page
from transforms.read.inputs import Input, list_inputs
from transforms.read.settings import ReadSettings, Source
from transforms.read.stage import Read

__all__ = ["Extracted", "Input", "Read", "ReadSettings", "Source", "extract_page", "list_inputs"]
