"""segment: documents -> sentences, by the rules of the variety's own or its standard language."""

from transforms.segment.settings import SegmentSettings
from transforms.segment.splitting import split_sentences
from transforms.segment.stage import Segment

__all__ = ["Segment", "SegmentSettings", "split_sentences"]
