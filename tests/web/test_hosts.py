"""Names that are the gateway's and those that are not, pages of its own and of others."""

from types import SimpleNamespace

import pytest

from gateway.kernel.errors import Forbidden, Misdirected
from gateway.web.hosts import Hosts

NAMES = ("gw-a1", "gw-a1.local", "GW-a1.plant.example", "*.lab.example")


def asked(path="/api-jobs", method="GET", **headers):
    return SimpleNamespace(path=path, method=method, headers=headers)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "127.0.0.1:8080",
        "192.168.10.4",
        "[::1]:8443",
        "[fd00::4]",
        "gw-a1",
        "GW-A1.LOCAL:8443",
        "gw-a1.plant.example",
        "gw-a1.plant.example.:443",
        "any.lab.example",
        "gateway:8080",  # of a container: no dot
    ],
)
def test_an_address_a_name_without_a_dot_and_what_is_listed_are_its_own(host):
    Hosts(NAMES).require(asked(Host=host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "gw-a1.local.evil.example",
        "other.plant.example",
        "deep.any.lab.example",
        "lab.example",
        "",
        ":8080",
        "a b",
        "[::1",
        "gw-a1@evil.example",
        "evil.example:80:80",
    ],
)
def test_any_other_is_refused_and_told_what_to_set(host):
    with pytest.raises(Misdirected, match=r"\[http\] hosts") as refused:
        Hosts(NAMES).require(asked(Host=host))
    assert f'"{host}"' in refused.value.message


def test_a_very_long_name_is_not_repeated_whole():
    with pytest.raises(Misdirected) as refused:
        Hosts(NAMES).require(asked(Host="x." * 8000))
    assert len(refused.value.message) < 300


def test_a_star_is_any_name_and_no_name_is_no_browser():
    Hosts(("*",)).require(asked(Host="evil.example"))
    Hosts(NAMES).require(asked())


OWN = {"Host": "gw-a1.local:8443"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"Origin": "https://gw-a1.local:8443"}),
        ("POST", {"Origin": "https://office.example"}),
        ("OPTIONS", {"Origin": "https://evil.example"}),  # is told by what is missing in the answer
        ("POST", {}),
    ],
)
def test_pages_of_the_same_host_and_those_that_are_listed_may_call(method, headers):
    Hosts(NAMES, ("https://office.example",)).require(asked(method=method, **OWN, **headers))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "https://gw-a1.local",
        "https://gw-a1.local:8443.evil.example",
        "gw-a1.local:8443",
    ],
)
def test_pages_of_others_may_not(origin):
    with pytest.raises(Forbidden, match=r"\[http\] cors_origins"):
        Hosts(NAMES, ("https://office.example",)).require(asked(**OWN, Origin=origin))


def test_what_has_lists_of_its_own_decides_itself():
    hosts = Hosts(NAMES, apart=("/mcp",))
    hosts.require(asked("/mcp", Host="agents.example", Origin="https://evil.example"))
    with pytest.raises(Misdirected):
        hosts.require(asked("/mcp/more", Host="agents.example"))
