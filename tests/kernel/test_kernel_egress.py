"""Where a request may go whose address came from data."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.egress import literal, permitted

INWARDS = """
127.0.0.1 127.255.255.254 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 0.1.2.3 192.0.0.8 192.0.2.1 198.18.0.1
224.0.0.1 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fc00::1 fd12::1 fec0::1 ff02::1 2001:db8::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1:: 2001::1 100::1
""".split()
OUTWARDS = "8.8.8.8 1.1.1.1 93.184.216.34 2606:4700::1111 2a00:1450:4001::200e ::ffff:8.8.8.8".split()


@pytest.mark.parametrize("text", INWARDS)
def test_what_leads_inwards_is_not_permitted(text):
    assert not permitted(ipaddress.ip_address(text), ())


@pytest.mark.parametrize("text", OUTWARDS)
def test_what_leads_outwards_is(text):
    assert permitted(ipaddress.ip_address(text), ())


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.1.0.0/16", "10.1.2.3", "10.2.0.1"),
        ("10.1.0.0/16", "::ffff:10.1.2.3", "::ffff:10.2.0.1"),
        ("fd00::/8", "fd12::1", "fc00::1"),
        ("127.0.0.0/8", "127.0.0.1", "::1"),
    ],
)
def test_a_network_can_be_allowed_and_only_that(network, inside, outside):
    allowed = [ipaddress.ip_network(network)]
    assert permitted(ipaddress.ip_address(inside), allowed)
    assert not permitted(ipaddress.ip_address(outside), allowed)


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 127.1 127.0.1 0x7f000001 0x7f.0.0.1 2130706433 017700000001 0177.0.0.1 localhost LOCALHOST localhost. "
    "a.localhost localhost.localdomain [::ffff:7f00:1]".split(),
)
def test_loopback_is_known_however_it_is_written(host):
    address = literal(host)
    assert (getattr(address, "ipv4_mapped", None) or address).is_loopback
    assert not permitted(address, ())


@pytest.mark.parametrize("host", ["[::1]", "::1", "fe80::1%eth0", "[fe80::1%25eth0]"])
def test_brackets_and_zones_do_not_hide_an_address(host):
    assert literal(host) is not None


@pytest.mark.parametrize(
    "host", ["example.com", "localhost.example.com", "notlocalhost", "a-1", "1.2.3.4.5", "", "münchen"]
)
def test_a_name_is_no_address(host):
    assert literal(host) is None


@given(st.text())
def test_whatever_is_asked_there_is_an_answer(host):
    literal(host)


@given(
    st.ip_addresses(network="10.0.0.0/8")
    | st.ip_addresses(network="fc00::/7")
    | st.ip_addresses(network="169.254.0.0/16")
)
def test_nothing_private_is_permitted(address):
    assert not permitted(address, ())
    assert literal(str(address)) == address
