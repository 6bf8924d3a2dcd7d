"""segment: documents -> sentences, by the rules of the variety's own or its standard language."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.segment.settings import SegmentSettings
from transforms.segment.splitting import split_sentences

if TYPE_CHECKING:
    from transforms.segment.stage import Segment

__all__ = ["Segment", "SegmentSettings", "split_sentences"]

__getattr__ = late(__name__, stage=("Segment",))
