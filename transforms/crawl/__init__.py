"""crawl: seeds -> pages. A polite crawler: it reads robots.txt and obeys it, goes slowly, says who it is."""

from typing import TYPE_CHECKING

from transforms.common.doors import late
from transforms.crawl.settings import CrawlSettings

if TYPE_CHECKING:
    from transforms.crawl.stage import Crawl, Crawled

__all__ = ["Crawl", "CrawlSettings", "Crawled"]

__getattr__ = late(__name__, stage=("Crawl", "Crawled"))
