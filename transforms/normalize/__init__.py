"""normalize: documents -> documents. Repairs what is broken, keeps the text as found and the way back to it."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.common.edits import found_span, replay
from transforms.normalize.settings import NormalizeSettings

if TYPE_CHECKING:
    from transforms.normalize.clean import normalize_text
    from transforms.normalize.stage import Normalize

__all__ = ["Normalize", "NormalizeSettings", "found_span", "normalize_text", "replay"]

__getattr__ = late(__name__, clean=("normalize_text",), stage=("Normalize",))
