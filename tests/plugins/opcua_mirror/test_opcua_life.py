"""The mirror beside the gateway: it fails alone, says what it lacks, and is there again."""

import socket

import pytest
from asyncua import Client, ua
from hall import LASER
from opcua_hall import CLIENT_TIMEOUT_S, Session, opened
from waiting import until

from gateway.kernel.clock import ManualClock
from plugins.opcua_mirror import jobcontrol, mirror, server
from plugins.opcua_mirror.jobcontrol import FILE
from plugins.opcua_mirror.pki import Pki
from plugins.opcua_mirror.users import Users


async def test_what_is_missing_or_open_is_said_and_the_rest_works(tmp_path, monkeypatch):
    """No nodeset, an endpoint for anybody, and room for two cells."""
    monkeypatch.setattr(jobcontrol, "SHIPPED", tmp_path / "nowhere")
    async with opened(tmp_path, insecure_readonly=True, max_cells_mirrored=2) as floor:
        await floor.listening()
        floor.trust()
        floor.user("olga")
        operation, _ = await floor.plan()
        async with floor.session() as session:
            await session.becomes_there(f"cell/{LASER}/next/0/OperationId", operation)
            text = [ua.Variant(one, ua.VariantType.String) for one in (operation, "")]
            done = await session.call(f"cell/{LASER}/actions", "Start", *text)
            assert [one.Value for one in done.OutputArguments] == [True, "", ""]
            await session.becomes(f"cell/{LASER}/active/OperationId", operation)
            await session.is_gone(f"cell/{LASER}/JobOrderControl/JobOrderList")
        async with Client(floor.url, timeout=CLIENT_TIMEOUT_S) as anybody:
            node = Session(anybody, session.index).node("gw/status/Online")
            assert await node.read_value() is True
            for refused in (node.write_value(False), anybody.nodes.objects.call_method(ua.NodeId(1), ua.NodeId(2))):
                with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                    await refused
        endpoints = await Client(floor.url, timeout=CLIENT_TIMEOUT_S).connect_and_get_server_endpoints()
        tokens = {
            one.SecurityMode.name: {token.TokenType.name for token in one.UserIdentityTokens} for one in endpoints
        }
        assert tokens == {"SignAndEncrypt": {"UserName", "Anonymous"}, "None_": {"Anonymous"}}
        client = Client(floor.url, timeout=CLIENT_TIMEOUT_S)
        client.set_user("olga")
        client.set_password(floor.passwords["olga"])
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):  # no password without an encrypted channel
            await client.connect()
        await floor.ask("POST", "/api-cells", {"name": "Bending", "sequence": 3})
        await until(lambda: floor.link.facts["skipped_cells"] == 1, "one that there is no room for")
        assert floor.link.state == "degraded"
        for said in ("Job Control: nodeset not found", "insecure_readonly", "1 cells are not mirrored"):
            assert said in floor.link.error


def test_another_nodeset_is_not_taken(tmp_path):
    (tmp_path / FILE).write_text("<UANodeSet/>")
    with pytest.raises(ValueError, match="SHA-256"):
        jobcontrol.nodeset(tmp_path)


async def test_it_ends_at_once(tmp_path):
    """asyncua would wait for the next beat of its clock, and the host closes what takes so long."""
    clock, pki = ManualClock(), Pki(tmp_path)
    uri = pki.own(clock.now()).uri
    door = server.Door(pki, Users(tmp_path), clock, insecure_readonly=False)
    made = await server.made(
        door,
        pki,
        uri,
        host="127.0.0.1",
        port=0,
        sign=False,
        insecure_readonly=False,
        user_certificates=False,
        version="1",
    )
    await made.start()
    beating = made.iserver.time_task
    await made.stop()
    assert beating.cancelled()


async def test_a_taken_port_is_tried_again_and_bookings_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(mirror, "ENDED_S", 1)
    monkeypatch.setattr(mirror, "TICK_S", 0.2)
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    async with opened(tmp_path, port=port) as floor:
        await until(lambda: "cannot be listened on" in (floor.link.error or ""), "the complaint")
        assert floor.link.state == "down"
        operation, _ = await floor.plan()
        await floor.press("start", operation)
        taken.close()
        await floor.listening()
        floor.trust()
        floor.user("olga")
        async with floor.session() as session:
            assert await session.value(f"cell/{LASER}/active/OperationId") == operation  # what happened meanwhile
            await floor.press("complete", operation)
            await session.becomes(f"cell/{LASER}/JobOrderControl/JobOrderList", [])  # what ended stays for a while
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))  # nothing is left of it
