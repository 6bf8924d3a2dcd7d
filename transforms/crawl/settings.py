"""Settings of the crawl: the section `[crawl]` of a configuration."""

import re
from typing import Annotated

import msgspec

from schemas.errors import RecordError
from schemas.identity import content_digest
from transforms.crawl.urls import Scope, authority_of, normalize

_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
_HOME = "https://github.com/isogloss/isogloss"

MANNERS = frozenset(
    [
        "delay_s",
        "max_delay_s",
        "timeout_s",
        "read_timeout_s",
        "max_tries",
        "first_pause_s",
        "max_retry_after_s",
        "hosts_at_once",
        "product",
        "contact",
        "earlier",
        "shard_bytes",
    ]
)
"""Settings that change how a crawl goes about it, not what it stores: a crawl may go on with others."""


class CrawlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a crawl starts, how far it goes, and how politely."""

    seeds: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, description="URLs to start from.")]
    hosts: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Hosts that may be visited; *.example.org for all below one. None given: those of the seeds."
        ),
    ] = ()
    sitemaps: Annotated[bool, msgspec.Meta(description="Are the sitemaps of the seeds' hosts read?")] = True
    include: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Globs of the paths that links may lead to, such as /lij/*; none: all."),
    ] = ()
    exclude: Annotated[tuple[str, ...], msgspec.Meta(description="Globs of the paths that links may not lead to.")] = ()
    ignore_query: Annotated[bool, msgspec.Meta(description="Is what follows the ? of a link left out?")] = False
    content_types: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1, description="Media types that are stored; others are rejected as not_text."),
    ] = ("text/html", "application/xhtml+xml", "text/plain")

    max_pages: Annotated[
        int,
        msgspec.Meta(ge=1, description="Most pages of the whole crawl, shared out evenly among the hosts of a round."),
    ] = 100_000
    max_pages_per_host: Annotated[int, msgspec.Meta(ge=1, description="Most pages of one host.")] = 20_000
    max_urls_per_host: Annotated[
        int, msgspec.Meta(ge=1, description="Most URLs of one host that are taken up; further ones are not looked at.")
    ] = 200_000
    max_depth: Annotated[int, msgspec.Meta(ge=0, le=1000, description="Most links from a seed to a page.")] = 16
    rounds: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=16, description="A link to another host is followed in the next round; so many there are."
        ),
    ] = 2
    max_page_bytes: Annotated[
        int, msgspec.Meta(ge=1024, description="Most bytes of a page, content encoding undone.")
    ] = 10_000_000
    max_redirects: Annotated[int, msgspec.Meta(ge=0, le=20, description="Most redirects from a URL to its page.")] = 5

    delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600, description="Pause between two requests to a host.")] = 1.0
    max_delay_s: Annotated[
        float, msgspec.Meta(ge=0, le=3600, description="Longest pause that a robots.txt can ask for (crawl-delay).")
    ] = 60.0
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="Longest time for one request, all of it.")] = (
        30.0
    )
    read_timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="Longest time without a byte.")] = 15.0
    max_tries: Annotated[
        int, msgspec.Meta(ge=1, le=10, description="Tries of a request that fails by 5xx, 429, connection or timeout.")
    ] = 3
    first_pause_s: Annotated[
        float, msgspec.Meta(ge=0, le=600, description="Pause before the second try; doubles each time.")
    ] = 2.0
    max_retry_after_s: Annotated[
        float,
        msgspec.Meta(ge=0, le=3600, description="Longest Retry-After that is waited for; a longer one ends the tries."),
    ] = 120.0
    max_failures_in_a_row: Annotated[
        int,
        msgspec.Meta(ge=1, description="URLs of a host that fail one after the other before the host is left alone."),
    ] = 20
    hosts_at_once: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Hosts that one worker visits at the same time.")
    ] = 64

    product: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[A-Za-z_-]+$", description="Our name in the user agent, which robots.txt files address."
        ),
    ] = "isogloss"
    contact: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[\x21-\x7e ]*$", max_length=200, description="Where a site can complain: a URL or mail address."
        ),
    ] = ""
    allow_private_addresses: Annotated[
        bool, msgspec.Meta(description="May hosts at private and loopback addresses be visited?")
    ] = False
    variety: Annotated[
        str | None, msgspec.Meta(description="Variety that the pages are expected in, a BCP 47 tag.")
    ] = None
    licence: Annotated[str | None, msgspec.Meta(description="Licence of the pages, where it is known.")] = None
    earlier: Annotated[
        str,
        msgspec.Meta(
            description="The pages/ folder of an earlier crawl: what has not changed since is not sent again."
        ),
    ] = ""
    buckets: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Groups of hosts; one worker crawls a group.")
    ] = 8
    shard_bytes: Annotated[int, msgspec.Meta(ge=1024, description="Size at which a WARC file is closed.")] = 64_000_000

    def __post_init__(self) -> None:
        """Refuse what the fields' own limits do not."""
        try:
            Scope(self.hosts)
        except ValueError as error:
            raise ValueError(f"hosts: {error}") from error
        if not self.allow_private_addresses and not self.contact.strip():
            raise ValueError(
                "contact is missing: sites must be able to complain; give a URL or a mail address that you read"
            )
        for name, globs in (("include", self.include), ("exclude", self.exclude)):
            for glob in globs:
                if not glob.startswith(("/", "*")):
                    raise ValueError(f"{name}: a path begins with / or *, got {glob!r}")
        for kind in self.content_types:
            if not _MEDIA_TYPE.fullmatch(kind):
                raise ValueError(f"content_types: expected a media type such as 'text/html', got {kind!r}")
        if self.variety is not None and not _TAG.fullmatch(self.variety):
            raise ValueError(f"variety: expected a BCP 47 tag such as 'lij', got {self.variety!r}")
        if self.max_delay_s < self.delay_s:
            raise ValueError(f"max_delay_s ({self.max_delay_s}) is less than delay_s ({self.delay_s})")
        if not any(self._seed_authorities()):
            raise ValueError("seeds: none of them is an http or https URL")

    @property
    def user_agent(self) -> str:
        """What we call ourselves: who we are, and where to complain."""
        about = f"; contact {self.contact.strip()}" if self.contact.strip() else ""
        return f"{self.product}/0.1 (+{_HOME}{about})"

    def scope(self) -> Scope:
        """Give the hosts that may be visited."""
        return Scope(self.hosts or tuple(sorted(set(self._seed_authorities()))))

    def fingerprint(self) -> str:
        """Give the digest of all that decides what is stored."""
        values = {
            name: value
            for name, value in msgspec.to_builtins(self, order="deterministic").items()
            if name not in MANNERS
        }
        return content_digest(msgspec.json.encode(values, order="deterministic"))

    def _seed_authorities(self) -> list[str]:
        found = []
        for seed in self.seeds:
            try:
                found.append(authority_of(normalize(seed)))
            except RecordError:
                continue
        return found
