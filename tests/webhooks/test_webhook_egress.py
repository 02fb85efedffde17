"""Where a delivery may go: asked when a webhook is written, and of every address that is really connected to."""

import asyncio
import ipaddress
import socket
import threading

import pytest
import tcp
from hooks import PATH, SECRET, Hooks
from waiting import until

from gateway.webhooks import lookup, rules
from gateway.webhooks import posting as posting_
from gateway.webhooks.posting import posting
from gateway.webhooks.rules import Targets

# Ten ways of saying "here" or "inside", each in some spellings.
HOSTS = {
    "a name of this machine": ("localhost", "LOCALHOST.", "a.localhost", "localhost.localdomain"),
    "dotted": ("127.0.0.1", "127.8.9.1"),
    "decimal": ("2130706433",),
    "octal": ("0177.0.0.1", "017700000001"),
    "hexadecimal": ("0x7f000001", "0x7f.0.0.1"),
    "short": ("127.1", "0"),
    "IPv6": ("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fd12::1]", "[fec0::1]"),
    "IPv4 in IPv6": ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:169.254.169.254]"),
    "translated": ("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001::1]"),
    "private and metadata": ("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104 -- nobody listens there
}
ALL = [host for hosts in HOSTS.values() for host in hosts]


@pytest.mark.parametrize("host", ALL)
async def test_it_cannot_be_connected_to_however_it_is_written(host):
    """Past the check of what is written: only the address that it comes to counts."""
    async with posting(Targets(allow_http=True)) as post:
        reply = await post.send(f"http://{host}:9/", b"{}", {}, "")
    assert reply.status is None
    assert any(why in reply.error for why in ("no address that may be connected to", "cannot be reached", "broke off"))
    assert "refused" not in reply.error.lower(), "nobody was asked"


async def test_none_of_them_can_be_written_down(floor):
    row = (await floor.make(PATH, {"url": "https://erp.example.com/", "events": ["*"]}))["webhook"]
    for host in ALL:
        for method, path in (("POST", PATH), ("PATCH", f"{PATH}?id={row['id']}")):
            body = {"url": f"https://{host}/", **({"events": ["*"]} if method == "POST" else {})}
            reply = await floor.send(method, path, body)
            assert (reply.status, reply.error["details"][0]["field"]) == (422, "url"), (method, host)


async def test_a_name_that_leads_inwards_is_refused_at_the_connection(hooks, receiver, monkeypatch):
    """It led outwards when it was written down, and when it was looked up for the first time."""
    asked = []

    def looked_up(host, port, *_how):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    hooks = Hooks(hooks.floor, targets=Targets(allow_http=True))
    async with hooks.on():
        row = await hooks.make(f"http://rebound.example:{receiver.port}/")
        await hooks.works()
        await until(lambda: hooks.link(row).state == "down")
        assert "127.0.0.1 is no address that may be connected to" in hooks.link(row).error
    assert set(asked) == {"rebound.example"}
    assert receiver.requests == []


async def test_a_name_server_that_is_away_holds_up_nobody_else(hooks, receiver, monkeypatch):
    """Neither other webhooks, nor whoever else looks something up or works in a thread."""
    silent, answered = threading.Event(), socket.getaddrinfo
    asked = []

    def look(host, *how):
        if host.endswith(".example"):
            asked.append(host)
            silent.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return answered(host, *how)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    monkeypatch.setattr(posting_, "ANSWER_MAX_S", 0.3)
    monkeypatch.setattr(lookup, "LOOKUPS_MAX", 4)
    try:
        async with hooks.on():
            away = [await hooks.make(f"http://h{number}.example/") for number in range(12)]
            good = await hooks.make(receiver.url)
            await hooks.works()
            await hooks.drained(good)
            await until(lambda: all(hooks.link(row).state == "down" for row in away))
            assert len(asked) == 4
            assert await asyncio.to_thread(lambda: 7) == 7
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            silent.set()
            await until(lambda: len(asked) > 4, "the next lookup")
    finally:
        silent.set()


async def test_a_network_that_is_allowed_can_be_reached_and_only_that(hooks, receiver):
    allowed = Targets((ipaddress.ip_network("127.0.0.0/8"),), allow_http=True)
    async with posting(allowed) as post:
        assert (await post.send(receiver.url, b"{}", {"X": "1"}, "")).status == 200
        assert "no address" in (await post.send(f"http://[::1]:{receiver.port}/", b"{}", {}, "")).error


async def test_what_the_settings_no_longer_allow_is_told_nothing(hooks, receiver):
    row = await hooks.make(receiver.url)
    for targets, why in ((Targets(allow_http=True), "no public address"), (Targets(), "https is needed")):
        strict = Hooks(hooks.floor, targets=targets)
        async with strict.on():
            await until(lambda strict=strict, why=why: why in (strict.link(row).error or ""))
            assert strict.link(row).state == "down"
        result = (await hooks.floor.send("POST", f"{PATH}/{row['id']}/test")).data["result"]
        assert result["success"], "the routes have other settings here"
    assert set(receiver.events) == {"webhook.test"}


async def test_cookies_and_proxies_are_nobodys_business(hooks, monkeypatch):
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with tcp.serving(serve) as port, hooks.on():
        row = await hooks.make(f"http://127.0.0.1:{port}/")
        await hooks.works()
        await hooks.drained(row)
    assert len(heard) > 2
    assert not any(b"cookie" in one.lower() for one in heard)


async def test_the_secret_is_nowhere(hooks, receiver, capfd):
    """Not in a log, a list, an export, in health, in what goes over the line or onto the disk."""
    await receiver.answers(event="job.created", with_=400)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
        await hooks.floor.send("POST", f"{PATH}/{row['id']}/test")
        asked = "/api-webhooks /api-webhook-logs /api-export?entities=full /api-changes /api-replay".split()
        asked.append(f"{PATH}/{row['id']}/dead-letters")
        shown = [(await hooks.floor.send("GET", path)).body for path in asked]
        shown.append([(link.error, link.facts) for link in hooks.health])
    told = capfd.readouterr()
    assert receiver.requests[0]["raw"], "it was signed with it"
    assert SECRET not in str(shown) + str(receiver.requests) + told.out + told.err
    files = [file for file in hooks.floor.db.path.parent.iterdir() if file.is_file() and file.name != "box.key"]
    assert files
    assert not any(SECRET.encode() in file.read_bytes() for file in files)


def test_a_host_that_cannot_be_read_is_refused_too():
    with pytest.raises(rules.Invalid):
        rules.check_url("https://[::1", Targets())
