"""One request at a time: what a server answers, within limits of time and size, tried again with back-off.

Redirects are not followed here: every hop is a decision (host, address, robots.txt) that belongs to the
crawler. A host never gets two requests at once, and never one before its pause is over.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, Self

import aiohttp
import yarl

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.crawl.addresses import CheckedResolver
from transforms.crawl.archive import Headers
from transforms.crawl.decode import ACCEPTED, Decoder
from transforms.crawl.settings import CrawlSettings
from transforms.crawl.urls import authority_of, host_of

PAGE_STATUSES = frozenset([200, 203])
REDIRECTS = frozenset([301, 302, 303, 307, 308])
_PASSING = frozenset([429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 527])
_SMALL_BYTES = 1 << 16
_CHUNK = 1 << 16


class Clock(Protocol):
    """Time, as the crawl sees it."""

    def monotonic(self) -> float:
        """Give seconds since some moment."""
        ...

    def now(self) -> datetime:
        """Give the time of day, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Give seconds since some moment."""
        return time.monotonic()

    def now(self) -> datetime:
        """Give the time of day, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Gates:
    """One request at a time to a host, with a pause between the end of one and the begin of the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._locks: dict[str, asyncio.Lock] = {}
        self._free_at: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, authority: str, delay_s: float) -> Any:
        """Wait for a host's turn and hold it; the pause begins when it is given back."""
        async with self._locks.setdefault(authority, asyncio.Lock()):
            wait_s = self._free_at.get(authority, 0.0) - self._clock.monotonic()
            if authority in self._free_at and wait_s > 0:
                await self._clock.sleep(wait_s)
            try:
                yield
            finally:
                self._free_at[authority] = self._clock.monotonic() + delay_s

    def postpone(self, authority: str, seconds: float) -> None:
        """Let a host rest at least so long from now on."""
        self._free_at[authority] = max(self._free_at.get(authority, 0.0), self._clock.monotonic() + seconds)


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        url: that was asked for.
        status, reason: of the first line.
        headers: as received.
        body: content encodings undone; empty where it was not read.
        date: when, as WARC writes it.
        address: of the server.
    """

    url: str
    status: int
    reason: str
    headers: Headers
    body: bytes
    date: str
    address: str | None

    def header(self, name: str) -> str:
        """Give a header's first value; empty when there is none."""
        return next(self._values(name), "")

    def header_values(self, name: str) -> list[str]:
        """Give all values of a header."""
        return list(self._values(name))

    @property
    def content_type(self) -> str:
        """The media type, lower case, without parameters; empty when not declared."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The declared charset."""
        for part in self.header("content-type").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset" and value.strip(" \"'"):
                return value.strip(" \"'")
        return None

    def _values(self, name: str) -> Iterator[str]:
        wanted = name.lower().encode("latin-1")
        return (value.decode("latin-1").strip() for key, value in self.headers if key.lower() == wanted)


class FailedError(RecordError):
    """The server did not answer, or only with an error of its own; it counts as a failure of the host."""


class Fetcher:
    """Asks servers. Use it as an asynchronous context manager.

    Args:
        settings: of the crawl.
        clock: time; the machine's when not given.
        resolver: names to addresses; the system's, checked as the settings say, when not given.
    """

    def __init__(
        self, settings: CrawlSettings, *, clock: Clock | None = None, resolver: CheckedResolver | None = None
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.gates = Gates(self.clock)
        self._settings = settings
        self._resolver = resolver or CheckedResolver(allow_private=settings.allow_private_addresses)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Names are resolved, and checked, for every new connection; nothing remembers an address that was not checked.
        connector = aiohttp.TCPConnector(limit=0, resolver=self._resolver, use_dns_cache=False, ttl_dns_cache=0)
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s, sock_read=settings.read_timeout_s),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": settings.user_agent, "Accept-Encoding": ACCEPTED},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self,
        url: str,
        *,
        delay_s: float,
        limit: int,
        content_types: tuple[str, ...] = (),
        conditions: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> Answer:
        """Ask for a URL; try again what may pass.

        Args:
            url: normalized.
            delay_s: pause of the host.
            limit: most bytes of the body, content encoding undone.
            content_types: media types that are read; none: any. A missing one is read.
            conditions: headers such as If-None-Match.
            cut: a body that is too long is cut at the limit instead of refused.

        Returns:
            The answer, whatever its status. Bodies of other statuses than those of pages are not kept.

        Raises:
            RecordError: address_not_allowed, dns_failure, connection_failed, timeout, too_large, not_text,
                encoding_invalid. FailedError where the host did not answer.
        """
        self._resolver.check_literal(host_of(url))
        settings = self._settings
        authority = authority_of(url)
        for attempt in range(1, settings.max_tries + 1):
            pause_s = settings.first_pause_s * 2 ** (attempt - 1)
            try:
                async with self.gates.turn(authority, delay_s):
                    answer = await self._ask_once(url, limit, content_types, dict(conditions or {}), cut=cut)
            except FailedError:
                if attempt == settings.max_tries:
                    raise
            else:
                if answer.status not in _PASSING or attempt == settings.max_tries:
                    return answer
                asked_s = retry_after_s(answer.header("retry-after"), self.clock.now())
                if asked_s is not None and asked_s > settings.max_retry_after_s:
                    return answer
                pause_s = max(pause_s, asked_s or 0.0)
            self.gates.postpone(authority, pause_s)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _ask_once(
        self, url: str, limit: int, content_types: tuple[str, ...], headers: dict[str, str], *, cut: bool
    ) -> Answer:
        assert self._session is not None, "the fetcher is used outside of its `async with`"
        headers["Accept"] = ", ".join(content_types) + ", */*;q=0.1" if content_types else "*/*"
        try:
            async with self._session.get(
                yarl.URL(url, encoded=True), headers=headers, allow_redirects=False
            ) as response:
                transport = response.connection.transport if response.connection is not None else None
                peer = transport.get_extra_info("peername") if transport is not None else None
                answer = Answer(
                    url=url,
                    status=response.status,
                    reason=response.reason or "",
                    headers=response.raw_headers,
                    body=b"",
                    date=warc_date(self.clock.now()),
                    address=str(peer[0]) if peer else None,
                )
                body = await _read(response, answer, limit, content_types, cut=cut)
                return answer if not body else _with_body(answer, body)
        except TimeoutError as error:
            raise FailedError(Reason.TIMEOUT, _timeout(self._settings)) from error
        except aiohttp.ClientConnectorDNSError as error:
            raise FailedError(Reason.DNS_FAILURE, f"{host_of(url)} has no address") from error
        except aiohttp.InvalidURL as error:
            raise RecordError(Reason.URL_INVALID, f"the client refuses {url!r}") from error
        except (ssl.SSLError, aiohttp.ClientError, OSError) as error:
            raise FailedError(Reason.CONNECTION_FAILED, _short(error)) from error


async def _read(
    response: aiohttp.ClientResponse, answer: Answer, limit: int, content_types: tuple[str, ...], *, cut: bool
) -> bytes:
    if answer.status not in PAGE_STATUSES:
        # Small bodies are read, so that the connection can serve again; the others are left where they are.
        try:
            if (response.content_length or 0) <= _SMALL_BYTES:
                await response.content.read(_SMALL_BYTES)
            else:
                response.close()
        except (TimeoutError, aiohttp.ClientError):
            response.close()
        return b""
    decoder: Decoder | None = None
    try:
        _check_head(response, answer, limit, content_types, cut=cut)
        decoder = Decoder(",".join(answer.header_values("content-encoding")), limit)
        async for chunk in response.content.iter_chunked(_CHUNK):
            decoder.feed(chunk)
        return decoder.finish()
    except RecordError as error:
        response.close()
        if cut and decoder is not None and error.reason == Reason.TOO_LARGE:
            return decoder.so_far()
        raise


def _check_head(
    response: aiohttp.ClientResponse, answer: Answer, limit: int, content_types: tuple[str, ...], *, cut: bool
) -> None:
    if content_types and answer.content_type and answer.content_type not in content_types:
        raise RecordError(Reason.NOT_TEXT, f"expected {' or '.join(content_types)}, got {answer.content_type}")
    if not cut and response.content_length is not None and response.content_length > limit:
        raise RecordError(Reason.TOO_LARGE, f"{response.content_length} bytes; at most {limit} are read")


def _with_body(answer: Answer, body: bytes) -> Answer:
    return Answer(answer.url, answer.status, answer.reason, answer.headers, body, answer.date, answer.address)


def retry_after_s(value: str, now: datetime) -> float | None:
    """Read a Retry-After header (RFC 9110, section 10.2.3).

    Args:
        value: seconds or a date.
        now: the time of day.

    Returns:
        Seconds from now, 0 or more; None when it says nothing that can be understood.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


def warc_date(moment: datetime) -> str:
    """Write a moment as WARC does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _timeout(settings: CrawlSettings) -> str:
    return f"no whole answer within {settings.timeout_s:g} s, or no byte within {settings.read_timeout_s:g} s"


def _short(error: BaseException) -> str:
    # Ports, addresses and object names differ from run to run; the kind of failure does not.
    return type(error).__name__
