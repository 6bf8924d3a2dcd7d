"""robots.txt as RFC 9309 has it, read by protego. Pure: who fetched it, and when, is not known here.

What an answer means (RFC 9309, section 2.3.1): 2xx: its rules; 4xx other than 429: no rules at all;
429, 5xx, anything else, no answer: complete disallow. We fail closed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from protego import Protego

from schemas.errors import RecordError
from schemas.reject import Reason

MAX_BYTES = 1 << 20
"""Bytes of a robots.txt that are read; RFC 9309 asks for at least 500 KiB (512,000). The rest is ignored."""

MAX_AGE_S = 24 * 3600.0
"""A robots.txt is asked for again after this time (RFC 9309, section 2.4)."""

MAX_REDIRECTS = 5
"""Redirects that are followed to a robots.txt (RFC 9309, section 2.3.1.2)."""

_UNKNOWN_FIELD = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*:(?:\s|$)")
_AGENT_LINE = re.compile(r"(\s*user[- ]?agent\s*:\s*)([A-Za-z_-]+)[^\r\n]*", re.IGNORECASE)
_FIELDS = frozenset(
    [
        "user-agent",
        "useragent",
        "allow",
        "disallow",
        "dissallow",
        "dissalow",
        "disalow",
        "diasllow",
        "disallaw",
        "sitemap",
        "sitemaps",
        "site-map",
        "crawl-delay",
        "request-rate",
        "visit-time",
        "host",
    ]
)


@dataclass(frozen=True)
class Robots:
    """What a robots.txt says to one crawler.

    Attributes:
        verdict: `allowed` where there are rules (of a page that they allow), `none` where there is no robots.txt.
        delay_s: the pause that it asks for between two requests; None when it asks for none.
        sitemaps: addresses of the sitemaps that it names, as written.
    """

    verdict: str
    delay_s: float | None = None
    sitemaps: Sequence[str] = ()
    _rules: Any = field(default=None, repr=False, compare=False)
    _agent: str = field(default="", repr=False, compare=False)

    def allows(self, url: str) -> bool:
        """May this normalized URL be fetched?"""
        return self._rules is None or bool(self._rules.can_fetch(url, self._agent))


NO_RULES = Robots(verdict="none")


def parse_robots(body: bytes, agent: str) -> Robots:
    """Read the rules for one crawler.

    Args:
        body: of the answer; what exceeds `MAX_BYTES` is ignored, with the line that it cuts.
        agent: our product token, such as `isogloss`: letters, `-` and `_`.
    """
    if len(body) > MAX_BYTES:
        body = body[:MAX_BYTES].rpartition(b"\n")[0]
    rules = Protego.parse(_as_the_standard_reads(body.decode("utf-8-sig", "replace")))
    delays: list[float] = []
    delay_s = rules.crawl_delay(agent)
    if delay_s is not None and delay_s > 0:
        delays.append(float(delay_s))
    rate = rules.request_rate(agent)
    if rate is not None and rate.requests > 0:
        delays.append(rate.seconds / rate.requests)
    return Robots(
        verdict="allowed",
        delay_s=max(delays) if delays else None,
        sitemaps=tuple(dict.fromkeys(rules.sitemaps)),
        _rules=rules,
        _agent=agent,
    )


def robots_of_answer(status: int, body: bytes, agent: str) -> Robots:
    """Judge the last answer to a request for robots.txt, redirects followed.

    Raises:
        RecordError: `robots_unreachable`: nothing of this site may be fetched.
    """
    if 200 <= status < 300:
        return parse_robots(body, agent)
    if 400 <= status < 500 and status != 429:
        return NO_RULES
    raise RecordError(
        Reason.ROBOTS_UNREACHABLE, f"robots.txt was answered with status {status}; everything is disallowed"
    )


def _as_the_standard_reads(text: str) -> str:
    """Mend two things in which protego differs from RFC 9309.

    A line that is no rule does not end a group of user agents, and a user agent is its product token: what
    follows (`Bot/1.0`, `Bot other`) does not count.
    """
    kept = []
    for line in text.splitlines():
        known = _UNKNOWN_FIELD.match(line)
        if known and known[1].lower() not in _FIELDS:
            continue
        kept.append(_AGENT_LINE.sub(r"\1\2", line))
    return "\n".join(kept)
