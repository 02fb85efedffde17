"""What a terminal is told as it happens: cards, resuming, a new snapshot, the heartbeat, and who does not listen."""

import asyncio
import json

import pytest
from hall import BURR
from station import ANNA, BEN, LASER, SAW
from waiting import until

from gateway.screens import live, terminal_api
from gateway.screens.live import Stream
from gateway.terminals import touched


async def test_a_change_of_one_terminal_is_seen_at_the_other(hall):
    first, second = await hall.job()
    one, other = await hall.terminal("Laser 1"), await hall.terminal("Laser 2")
    await one.sign_in()
    seq = (await other.get("/snapshot"))["seq"]
    async with other.listening(f"?since={seq}") as ear:
        await until(lambda: ear.of("status"))
        await one.tapped("start", first)
        await until(lambda: (card := ear.card(first)) and card["on_it"])
        assert ear.card(first)["on_it"][0]["name"] == "Anna"
        await one.tapped("report", first, {"scrap": [{"reason_id": BURR, "quantity": 1}]})
        await until(lambda: ear.card(first)["scrap"] == 1)
        await one.tapped("finish", first, {"good": 10})
        await until(lambda: (card := ear.card(second)) and not card["waits"])
    assert ear.place > seq


async def test_whatever_the_way_in_the_card_follows(hall):
    first, second = await hall.job()
    terminal = await hall.terminal()
    seq = (await terminal.get("/snapshot"))["seq"]
    async with terminal.listening(f"?since={seq}") as ear:

        async def shows(change, fact):
            method, path, body = change
            reply = await hall.send(method, path, body)
            assert reply.status in (200, 201), reply.body
            await until(lambda: (card := ear.card(first)) and fact(card), f"{path} {body}")
            return reply.data

        count = {"operation_id": first, "quantity_good": 7}
        told = await shows(("POST", "/api-operation-quantities", count), lambda card: card["good"] == 7)
        row = f"/api-operation-quantities?id={told['operation_quantity']['id']}"
        await shows(("DELETE", row, None), lambda card: card["good"] == 0)
        issue = {"operation_id": first, "description": "Rattles", "causes_standstill": True}
        told = await shows(("POST", "/api-issues", issue), lambda card: card["held"])
        await shows(
            ("PATCH", f"/api-issues?id={told['issue']['id']}", {"status": "closed"}), lambda card: not card["held"]
        )
        step = {"operation_id": first, "name": "Deburr"}
        await shows(("POST", "/api-substeps", step), lambda card: card["documents"]["steps"] == 1)
        ((part, job),) = await hall.query("SELECT p.id, p.job_id FROM parts p")
        await shows(("PATCH", f"/api-parts?id={part}", {"is_bullet_card": True}), lambda card: card["rush"])
        await shows(("PATCH", f"/api-jobs?id={job}", {"customer": "Acme"}), lambda card: card["customer"] == "Acme")
        await shows(("PATCH", f"/api-operations?id={first}", {"sequence": 3}), lambda card: card["sequence"] == 3)
        await until(lambda: (card := ear.card(second)) and not card["waits"])
        batch = {"batch_number": "B", "batch_type": "general", "cell_id": LASER, "operation_ids": [first]}
        await shows(("POST", "/api-batches", batch), lambda card: card["batch_id"])


async def test_a_card_leaves_the_list_of_its_cell(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    seq = (await terminal.get("/snapshot"))["seq"]
    async with (
        terminal.listening(f"?since={seq}&cell={LASER}") as laser,
        terminal.listening(f"?since={seq}&cell={SAW}") as saw,
    ):
        await until(lambda: laser.of("status") and saw.of("status"))
        await hall.send("PATCH", f"/api-operations?id={first}", {"cell_id": SAW})
        await until(lambda: saw.card(first) and any(first in rows["gone"] for rows in laser.of("rows")))
        assert laser.card(first) is None
        await hall.send("DELETE", f"/api-operations?id={first}")
        await until(lambda: any(first in rows["gone"] for rows in saw.of("rows")))


async def test_it_resumes_where_it_left_off(hall):
    first, second = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    told = await terminal.get("/snapshot")
    await terminal.tapped("start", first)
    async with terminal.listening(f"?since={told['seq']}&epoch={told['epoch']}") as ear:
        await until(lambda: ear.of("status"))
        assert [card["id"] for rows in ear.of("rows") for card in rows["operations"]] == [first]
        assert ear.place > told["seq"]
    async with terminal.listening(f"?since={ear.place}") as ear:
        await until(lambda: ear.of("status"))
        assert ear.of("rows") == ear.of("reset") == []
    assert second


@pytest.mark.parametrize("query", ["since=999999", "since={seq}&epoch=1", "since={long_ago}"])
async def test_when_it_cannot_be_told_from_there_a_snapshot_is_asked_for(hall, monkeypatch, query):
    await hall.job("J-1")
    terminal = await hall.terminal()
    seq = (await terminal.get("/snapshot"))["seq"]
    monkeypatch.setattr(touched, "RESUME_MAX", 0)
    asked = query.format(seq=seq, long_ago=seq - 1)
    async with terminal.listening(f"?{asked}") as ear:
        await until(lambda: ear.of("reset"))
        assert ear.of("rows") == []


async def test_what_a_snapshot_holds_beside_cards_is_a_reason_for_a_new_one(hall):
    terminal = await hall.terminal()
    async with terminal.listening() as ear:
        await until(lambda: ear.of("status"))
        await hall.send("PATCH", f"/api-cells?id={LASER}", {"name": "Laser hall"})
        await until(lambda: ear.of("reset"))


async def test_an_import_of_many_is_a_reason_for_a_new_snapshot(hall, monkeypatch):
    monkeypatch.setattr(touched, "CARDS_MAX", 1)
    terminal = await hall.terminal()
    async with terminal.listening() as ear:
        await until(lambda: ear.of("status"))
        await hall.job()
        await until(lambda: ear.of("reset"))


async def test_it_hears_that_somebody_is_there_and_how_the_cloud_is(hall, monkeypatch):
    monkeypatch.setattr(live, "LOOK_S", 0.01)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    terminal = await hall.terminal()
    async with terminal.listening() as ear:
        await until(lambda: len(ear.of("status")) > 2)
        told = ear.of("status")[-1]
        assert told["link"]["cloud"]["state"] == "off"
        assert (told["now"], told["build"]) == ("2026-11-02T07:00:00.000Z", (await terminal.get("/snapshot"))["build"])
        link = (await hall.get_health())["links"]["terminals"]
        assert (link["state"], link["streams"], link["streams_dropped"]) == ("up", 1, 0)


async def test_a_terminal_that_is_renamed_moved_or_meant_is_told(hall):
    terminal = await hall.terminal()
    async with terminal.listening() as ear:
        await until(lambda: ear.of("status"))
        await hall.send("POST", f"/api-terminals/{terminal.id}/identify")
        await until(lambda: ear.of("terminal"))
        assert ear.of("terminal")[-1]["identify"] is True
        await hall.send("PATCH", f"/api-terminals/{terminal.id}", {"name": "Saw 1"})
        await until(lambda: len(ear.of("terminal")) == 2)
        assert (ear.of("terminal")[-1]["terminal"]["name"], ear.ended) == ("Saw 1", False)
        await hall.send("PATCH", f"/api-terminals/{terminal.id}", {"cell_id": SAW})
        await until(lambda: ear.ended)  # it comes back: which cells it sees may hang on it
        assert ear.of("terminal")[-1]["terminal"]["cell_id"] == SAW


async def test_who_does_not_read_is_sent_away(hall, monkeypatch):
    monkeypatch.setattr(live, "QUEUE_MAX_BYTES", 10)
    terminal = await hall.terminal()
    stream = Stream(hall.gateway.terminals.of(terminal.id), None)
    server = hall.gateway._terminal_api.live
    with server.entered(stream):
        await server.begin(stream, None)
        assert stream.dropped
        assert await stream.take() is None
    assert (await hall.get_health())["links"]["terminals"]["streams_dropped"] == 1


async def test_the_oldest_of_too_many_streams_gives_way(hall):
    terminal = await hall.terminal()
    async with terminal.listening() as first:
        await until(lambda: first.of("status"))
        others = [terminal.listening() for _ in range(live.STREAMS_OF_ONE_MAX)]
        ears = [await one.__aenter__() for one in others]
        await until(lambda: first.ended and all(ear.of("status") for ear in ears))
        for one in others:
            await one.__aexit__(None, None, None)


async def test_what_happens_while_it_catches_up_is_not_lost(hall):
    """Told twice is fine, never not at all: taps go on while streams begin."""
    first, _ = await hall.job()
    terminal = await hall.terminal()
    anna = await terminal.sign_in(ANNA)
    seq = (await terminal.get("/snapshot"))["seq"]
    ears = []

    async def listen():
        async with terminal.listening(f"?since={seq}") as ear:
            ears.append(ear)
            await until(lambda: (card := ear.card(first)) and card["good"] == 20)

    async def work():
        for _ in range(20):
            await terminal.tapped("report", first, {"good": 1}, session=anna)

    await asyncio.gather(work(), *(listen() for _ in range(3)))
    assert len(ears) == 3


def test_a_message_is_the_same_text_for_everybody_who_sees_the_same():
    told = touched.Told(7, (("a", LASER, '{"id":"a"}'), ("b", SAW, '{"id":"b"}')), frozenset("c"), frozenset("b"))
    assert json.loads(told.message(frozenset({LASER}))) == {"seq": 7, "operations": [{"id": "a"}], "gone": ["b", "c"]}
    assert json.loads(told.message(None)) == {"seq": 7, "operations": [{"id": "a"}, {"id": "b"}], "gone": ["c"]}
    assert BEN != ANNA


async def test_a_connection_that_takes_nothing_is_cut(hall, monkeypatch):
    monkeypatch.setattr(terminal_api, "WRITE_MAX_S", 0.2)
    terminal = await hall.terminal()
    host, _, port = hall.gateway.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(
        f"GET /terminal/api/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {terminal.key}\r\n\r\n".encode()
    )
    await reader.readuntil(b"event: status")
    streams = hall.gateway._terminal_api.live._streams
    piece = b": " + b"x" * 100_000 + b"\n\n"

    def flooded() -> bool:
        for stream in [*streams]:
            stream.push(piece)
        return not streams

    await until(flooded, "it is sent away")
    assert (await hall.get_health())["links"]["terminals"]["streams_dropped"] == 1
    writer.close()
