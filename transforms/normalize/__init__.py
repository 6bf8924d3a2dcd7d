"""normalize: documents -> documents. Repairs what is broken, keeps the text as found and the way back to it."""

from transforms.common.edits import found_span, replay
from transforms.normalize.clean import normalize_text
from transforms.normalize.settings import NormalizeSettings
from transforms.normalize.stage import Normalize

__all__ = ["Normalize", "NormalizeSettings", "found_span", "normalize_text", "replay"]
