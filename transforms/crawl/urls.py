"""URLs: one spelling for each, what they belong to, and which of them a crawl may ask for. Pure."""

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import idna

from schemas.errors import RecordError
from schemas.reject import Reason

MAX_URL_CHARACTERS = 4096
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})|%")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_IN_PATH = _UNRESERVED | frozenset("!$&'()*+,;=:@/%")
_IN_QUERY = _IN_PATH | frozenset("?")
_PLAIN_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@lru_cache(maxsize=16384)  # The same navigation stands on every page of a site.
def normalize(url: str, *, base: str = "", ignore_query: bool = False) -> str:
    """Give the one spelling of a URL: RFC 3986, section 6.2.2 and 6.2.3.

    Scheme and host in lower case, the host in its ASCII form, no default port, no dot segments, percent
    codes in upper case and only where they are needed, no fragment. `normalize(normalize(u)) == normalize(u)`.

    Args:
        url: as found, absolute or relative to `base`.
        base: the page that it was found on.
        ignore_query: leave out everything from the question mark on.

    Raises:
        RecordError: `url_invalid` when it is no http or https URL that a polite crawler would ask for.

    Example:
        >>> normalize("../Zêna?q=ä#top", base="HTTP://Example.org:80/lij/a/b")
        'http://example.org/lij/Z%C3%AAna?q=%C3%A4'
    """
    try:
        written = urljoin(base, url.strip()) if base else url.strip()
        parts = urlsplit(written)
        port = parts.port
    except ValueError as error:
        raise RecordError(Reason.URL_INVALID, f"{_shown(url)} is no URL: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise RecordError(Reason.URL_INVALID, f"expected http or https, got {_shown(url)}")
    if parts.username is not None or parts.password is not None:
        raise RecordError(Reason.URL_INVALID, "a URL with a user name or password is not asked for")
    host = _host(parts.hostname or "")
    authority = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    try:
        path = _without_dots(_quoted(parts.path.replace("\\", "/"), _IN_PATH)) or "/"
        query = "" if ignore_query else _quoted(parts.query, _IN_QUERY)
    except UnicodeEncodeError as error:
        raise RecordError(Reason.URL_INVALID, "a URL with half a character (a lone surrogate)") from error
    made = f"{parts.scheme}://{authority}{path}" + (f"?{query}" if query else "")
    if len(made) > MAX_URL_CHARACTERS:
        raise RecordError(
            Reason.URL_INVALID, f"a URL of {len(made)} characters; at most {MAX_URL_CHARACTERS} are allowed"
        )
    return made


def authority_of(url: str) -> str:
    """Give host and port (where it is not the scheme's own) of a normalized URL: what a queue belongs to."""
    return url.split("/", 3)[2]


def origin_of(url: str) -> str:
    """Give scheme, host and port of a normalized URL: what a robots.txt belongs to."""
    return "/".join(url.split("/", 3)[:3])


def host_of(url: str) -> str:
    """Give the host of a normalized URL, an IPv6 address without brackets."""
    return urlsplit(url).hostname or ""


def site_of(authority: str) -> str:
    """Give the last two labels of a host, or the address: hosts of one site are crawled by one worker.

    Suffixes such as `co.uk` put more hosts together than need be, never fewer.
    """
    host = urlsplit(f"//{authority}").hostname or authority
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return host
    return ".".join(host.split(".")[-2:])


class Scope:
    """The hosts that a crawl may visit.

    Args:
        hosts: names (`example.org`, with a port where it is not the scheme's own: `127.0.0.1:8080`), and
            `*.example.org` for all hosts below one (not itself).

    Raises:
        ValueError: a name that is none.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        names: set[str] = set()
        endings: set[str] = set()
        for pattern in hosts:
            name = pattern.strip().removeprefix("*.")
            if not name or "*" in name or "/" in name:
                raise ValueError(f"expected a host such as 'example.org' or '*.example.org', got {pattern!r}")
            try:
                name = authority_of(normalize(f"http://{name}/"))
            except RecordError as error:
                raise ValueError(f"{pattern!r} is no host: {error.detail}") from error
            if pattern.strip().startswith("*."):
                if "." not in name:
                    raise ValueError(f"{pattern!r} would allow a whole top-level domain")
                endings.add(f".{name}")
            else:
                names.add(name)
        self._names = frozenset(names)
        self._endings = tuple(sorted(endings))

    def allows(self, url: str) -> bool:
        """Is the host of this normalized URL one of them?"""
        authority = authority_of(url)
        return authority in self._names or (bool(self._endings) and authority.endswith(self._endings))


class PathFilter:
    """Which paths of the allowed hosts are wanted. Seeds are wanted in any case.

    Args:
        include: globs of path and query (`/lij/*`); none: every path.
        exclude: globs of what is not wanted all the same.
    """

    def __init__(self, include: Iterable[str], exclude: Iterable[str]) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)

    def allows(self, url: str) -> bool:
        """Is the path of this normalized URL wanted?"""
        if not self._include and not self._exclude:
            return True
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if self._include and not any(fnmatchcase(path, pattern) for pattern in self._include):
            return False
        return not any(fnmatchcase(path, pattern) for pattern in self._exclude)


def _shown(url: str) -> str:
    return repr(url if len(url) <= 200 else url[:200] + "...")


@lru_cache(maxsize=4096)
def _host(host: str) -> str:
    host = host.removesuffix(".")
    if not host:
        raise RecordError(Reason.URL_INVALID, "a URL without a host")
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as error:
            raise RecordError(Reason.URL_INVALID, f"{host!r} is no IPv6 address") from error
    if not _PLAIN_HOST.fullmatch(host) or "xn--" in host:
        try:
            host = idna.encode(host, uts46=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise RecordError(Reason.URL_INVALID, f"{_shown(host)} is no host name: {error}") from error
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # 127.1, 0x7f000001 and 2130706433 are spellings of addresses that a check of addresses must not miss.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise RecordError(Reason.URL_INVALID, f"{host!r} is no IPv4 address in its usual form") from error
    if len(host) > 253 or any(len(label) > 63 for label in host.split(".")):
        raise RecordError(Reason.URL_INVALID, f"{_shown(host)} is too long for a host name")
    return host


def _quoted(text: str, allowed: frozenset[str]) -> str:
    def code(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else f"%{match[1].upper()}"

    text = _PERCENT.sub(code, text)
    if all(character in allowed for character in text):
        return text
    return "".join(c if c in allowed else "".join(f"%{byte:02X}" for byte in c.encode("utf-8")) for c in text)


def _without_dots(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for number, segment in enumerate(segments):
        is_last = number == len(segments) - 1
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
            if is_last:
                kept.append("")
        elif segment == ".":
            if is_last:
                kept.append("")
        else:
            kept.append(segment)
    return "/".join(kept)
