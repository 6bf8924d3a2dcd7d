import asyncio
import ipaddress

import pytest

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.crawl.addresses import CheckedResolver, is_public

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_known(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "193.0.14.129", "2a00:1450:4001::8a", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def _lookup(*addresses: str):
    async def look_up(host: str, port: int) -> list[str]:
        return list(addresses)

    return look_up


def test_resolver_gives_only_what_is_public() -> None:
    resolver = CheckedResolver(allow_private=False, lookup=_lookup("127.0.0.1", "8.8.8.8", "::1"))
    assert [found["host"] for found in asyncio.run(resolver.resolve("a.example", 80))] == ["8.8.8.8"]


def test_resolver_refuses_a_host_at_private_addresses_only() -> None:
    resolver = CheckedResolver(allow_private=False, lookup=_lookup("10.0.0.1", "::1"))
    with pytest.raises(RecordError) as caught:
        asyncio.run(resolver.resolve("a.example", 80))
    assert caught.value.reason == Reason.ADDRESS_NOT_ALLOWED


def test_resolver_lets_private_addresses_pass_when_told_to() -> None:
    resolver = CheckedResolver(allow_private=True, lookup=_lookup("127.0.0.1"))
    assert [found["host"] for found in asyncio.run(resolver.resolve("a.example", 80))] == ["127.0.0.1"]


def test_no_address_is_no_refusal() -> None:
    with pytest.raises(OSError, match="no address"):
        asyncio.run(CheckedResolver(allow_private=False, lookup=_lookup()).resolve("a.example", 80))


def test_hosts_that_are_addresses_are_checked() -> None:
    resolver = CheckedResolver(allow_private=False)
    resolver.check_literal("example.org")
    resolver.check_literal("8.8.8.8")
    for address in ("127.0.0.1", "::1", "169.254.169.254"):
        with pytest.raises(RecordError):
            resolver.check_literal(address)
