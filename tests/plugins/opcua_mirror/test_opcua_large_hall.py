"""The largest hall that is mirrored by default: building it keeps nobody else waiting for long."""

from hosted import links, settings
from large_hall import CELLS, furnish
from waiting import until

from gateway.app import running
from gateway.outbox.event import Stamp


async def test_its_start_is_no_stall_of_the_loop(tmp_path, capsys):
    async with running(settings(tmp_path)) as gateway:
        await gateway.db.write(furnish, Stamp(gateway._clock.now(), "gw-test", gateway._new_id))
    async with running(settings(tmp_path, opcua_mirror={"enabled": True, "port": 0})) as gateway:
        link = links(gateway)["plugin:opcua_mirror"]
        await until(lambda: link.state != "down", "the mirror")
        assert (link.state, link.error, link.facts["cells"]) == ("up", None, CELLS)
        assert "stalls" not in link.facts
    said = capsys.readouterr()
    assert "loop.stalled" not in said.out + said.err
