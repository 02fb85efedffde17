"""Machine -> OPC UA -> counter rule -> pieces, whatever goes off and on on the way."""

import hashlib
from collections.abc import AsyncIterator

import pytest
from opcua_plc import ENCRYPTED, VENDOR, Plc, certificate
from program import Program
from tcp import serving
from waiting import until
from works import STATES, furnished, killed_meanwhile, open_works

RESTARTS = 10
UNCERTAIN, BAD = 0x40000000, 0x80000000
TAGS = (
    {"node": f"nsu={VENDOR};s=Count", "to": "counter/good"},
    {"node": f"nsu={VENDOR};s=State", "to": "state"},
)
DONE = {"device": "laser-1", "input": "tag/done", "rule": "cycle", "flush": "50ms"}
SHOWN = {"device": "laser-1", "input": "tag/load", "rule": "gauge"}


@pytest.fixture
async def plc() -> AsyncIterator[Plc]:
    found = Plc(Program.free_port(), Count=5, State=4, Done="", Load=1.5)
    yield found
    await found.off()


def reading(plc: Plc, *more: dict, **keys) -> dict:
    server = {"device": "laser-1", "url": plc.url, "security": "None", "publish": "50ms", "timeout": "5s"}
    return {"opcua_client": {"server": [{**server, "tag": [*TAGS, *more], **keys}]}}


async def test_a_plc_that_goes_off_and_on_ten_times_loses_no_piece(works, plc):
    """Every third time another server comes, whose namespaces have moved."""
    await plc.build()
    await plc.on()
    shop = await works(plugin=reading(plc))
    await shop.seen(5)
    await shop.stood("running")
    made = 5
    for round_ in range(RESTARTS):
        await plc.count(made := made + 2)
        await plc.off()
        await shop.reads("opcua_client", "down")
        made += 3  # while nobody looks
        if round_ in (3, 7):
            plc.values["Count"] = made
            await plc.build(*(f"http://other.example/{number}/" for number in range(round_)))
        else:
            await plc.count(made)
        await plc.on()
        await shop.seen(made)
        await shop.reads("opcua_client")
    await shop.counted(made - 5)
    assert shop.machine("opcua_client")["refused"] == 0
    assert (await shop.stands()).quality == "good"
    rows = await shop.query("SELECT DISTINCT json_extract(metadata, '$.cause') FROM operation_quantities")
    assert rows == [("opcua_client:laser-1",)]


async def test_the_gateway_is_killed_and_books_every_piece_once(tmp_path, plc):
    await plc.build()
    await plc.on()
    await killed_meanwhile(await furnished(tmp_path, reading(plc)), plc.count)


async def test_a_bad_value_counts_nothing_and_an_uncertain_one_does(works, plc):
    await plc.build()
    await plc.on()
    shop = await works(plugin=reading(plc))
    await shop.seen(5)
    await shop.stood("running")
    await plc.set("Count", 300, status=BAD)
    await plc.set("State", 1, status=BAD)
    await shop.stood("unknown")
    assert await shop.last() == 5
    await plc.set("Count", 9, status=UNCERTAIN)
    await shop.counted(4)
    assert (await shop.stands()).quality == "uncertain"


async def test_what_counts_each_time_counts_once_however_often_it_is_told(works, plc):
    """With each connect the last value comes again."""
    await plc.build()
    await plc.on()
    done = {"node": f"nsu={VENDOR};s=Done", "to": "tag/done"}
    load = {"node": f"nsu={VENDOR};s=Load", "to": "tag/load"}
    shop = await works(plugin=reading(plc, done, load), mappings=(STATES, DONE, SHOWN))
    await shop.seen(1.5, "tag/load")
    await plc.set("Done", "c-1")
    await shop.counted(1)
    for load_ in (2.5, 3.5):
        await plc.off()
        await shop.reads("opcua_client", "down")
        await plc.set("Load", load_)
        await plc.on()
        await shop.seen(load_, "tag/load")
    await plc.set("Done", "c-2")
    await shop.counted(2)


async def test_a_tag_that_is_not_there_is_named_and_the_rest_is_read(works, plc):
    await plc.build()
    await plc.on()
    gone = {"node": f"nsu={VENDOR};s=Gone", "to": "counter/gone"}
    other = {"node": "nsu=http://other.example/;s=Count", "to": "counter/other"}
    shop = await works(plugin=reading(plc, gone, other))
    await shop.says("opcua_client", "the server has no namespace http://other.example/", "degraded")
    assert ";s=Gone: BadNodeIdUnknown" in shop.machine("opcua_client")["error"]
    await plc.count(7)
    await shop.counted(2)


async def test_a_plc_that_takes_the_call_and_says_nothing_is_down(works):
    async with serving(silent) as port:
        shop = await works(plugin=reading(Plc(port), timeout="200ms"))
        await until(
            lambda: shop.machine("opcua_client").get("error") == f"opc.tcp://127.0.0.1:{port}: TimeoutError", "why"
        )
        assert shop.link("opcua_client").state == "down"


async def silent(reader, _writer) -> None:
    await reader.read()


async def test_only_a_server_whose_certificate_was_approved_gets_the_password(plc, tmp_path):
    """Nothing is booked before; the message has what to compare and to set."""
    pair = certificate(tmp_path)
    await plc.build(policies=ENCRYPTED, pair=pair)
    await plc.on()
    shown = hashlib.sha256(pair[0].read_bytes()).hexdigest()
    secure = {"security": "Basic256Sha256", "user": "gw", "password": "secret"}
    async with open_works(tmp_path / "a", reading(plc, **secure)) as shop:
        await shop.says("opcua_client", f'certificate = "{shown}"')
    async with open_works(tmp_path / "b", reading(plc, **secure, certificate="ab" * 32)) as shop:
        await shop.says("opcua_client", "another certificate than the approved one")
    colons = ":".join(shown[at : at + 2].upper() for at in range(0, 64, 2))
    async with open_works(tmp_path / "c", reading(plc, **secure, certificate=colons)) as shop:
        await shop.seen(5)
        await plc.count(6)
        await shop.counted(1)
        key = tmp_path / "c" / "plugins" / "opcua_client" / "client.key"
        assert key.stat().st_mode & 0o077 == 0
    async with open_works(tmp_path / "d", reading(plc, **{**secure, "password": "wrong"}, certificate=shown)) as shop:
        await shop.says("opcua_client", "BadUserAccessDenied")
        assert "wrong" not in str(shop.link("opcua_client").facts)
