"""Where a connection may go: public addresses only, and to the very address that was checked.

The check sits in the resolver that the client connects by. A name that gives a public address when it is
checked and a private one when it is used (DNS rebinding) has no second moment here: what the resolver
answered is checked and then used, for every connection, redirects included.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp.abc import AbstractResolver, ResolveResult

from schemas.errors import RecordError
from schemas.reject import Reason

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Is this an address of the public internet, for one host?

    An IPv6 address that carries an IPv4 address (mapped, 6to4, Teredo, NAT64) is as public as that one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        carried: list[Address] = []
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None:
            carried.append(address.sixtofour)
        if address.teredo is not None:
            carried.extend(address.teredo)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(inner) for inner in carried) or address.is_site_local:
            return False
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


async def system_lookup(host: str, port: int) -> list[str]:
    """Ask the system's resolver for the addresses of a host.

    Raises:
        OSError: it has none, or there was no answer.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedResolver(AbstractResolver):
    """Resolves names for the HTTP client and refuses what is not public.

    Args:
        allow_private: let private and loopback addresses pass (a local site, a demo).
        lookup: gives the addresses of a host and port.
        is_allowed: judges an address where private ones may not pass.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        lookup: Lookup = system_lookup,
        is_allowed: Callable[[Address], bool] = is_public,
    ) -> None:
        self._allow_private = allow_private
        self._lookup = lookup
        self._is_allowed = is_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses of a host that may be connected to.

        Raises:
            RecordError: `address_not_allowed` when it has addresses, but none of them is allowed.
            OSError: it has none.
        """
        found = await self._lookup(host, port)
        allowed: list[ResolveResult] = []
        for text in found:
            address = ipaddress.ip_address(text)
            if not (self._allow_private or self._is_allowed(address)):
                continue
            kind = socket.AF_INET6 if address.version == 6 else socket.AF_INET
            if family not in (socket.AF_UNSPEC, kind):
                continue
            allowed.append(
                ResolveResult(
                    hostname=host,
                    host=text,
                    port=port,
                    family=kind,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        if not allowed and found:
            raise _refused(host)
        if not allowed:
            raise OSError(f"{host} has no address")
        return allowed

    def check_literal(self, host: str) -> None:
        """Check a host that is an address itself: the client does not resolve such a host.

        Args:
            host: of a normalized URL; a name is not judged here.

        Raises:
            RecordError: `address_not_allowed`.
        """
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if not (self._allow_private or self._is_allowed(address)):
            raise _refused(host)

    async def close(self) -> None:
        """There is nothing to close."""


def _refused(host: str) -> RecordError:
    return RecordError(
        Reason.ADDRESS_NOT_ALLOWED,
        f"{host} is at a private, loopback or reserved address; crawl.allow_private_addresses lets it pass",
    )
