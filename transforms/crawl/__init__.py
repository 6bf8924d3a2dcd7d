"""crawl: seeds -> pages. A polite crawler: it reads robots.txt and obeys it, goes slowly, says who it is."""

from transforms.crawl.settings import CrawlSettings
from transforms.crawl.stage import Crawl, Crawled

__all__ = ["Crawl", "CrawlSettings", "Crawled"]
