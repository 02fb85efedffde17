"""An endpoint that is away: it delays nobody, gets everything once it is back, and is switched off after three days."""

import asyncio

import pytest
import tcp
from hooks import NEVER_S, PATH, Hooks, Leaps, receiving
from waiting import until

from gateway.replays import worker
from gateway.webhooks import posting, sender, store

HOUR_S = 3_600
FIRST = [60.0, 300.0, 1_800.0, 7_200.0]


@pytest.fixture
def slow(plant, monkeypatch):
    """Hours are over at a word."""
    monkeypatch.setattr(sender, "LOOK_EVERY_S", NEVER_S)
    monkeypatch.setattr(worker, "LOOK_EVERY_S", NEVER_S)
    return Hooks(plant, Leaps())


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes connections and closes them."""
    writer.close()


async def through(hooks: Hooks, hours: float) -> None:
    """Every pause that ends by then; then the rest."""
    clock, ends_s = hooks.clock, hooks.clock.monotonic() + hours * HOUR_S
    while True:
        count = len(clock.pauses)
        if clock.monotonic() + clock.pauses[-1] > ends_s:
            await clock.advance(ends_s - clock.monotonic())
            return
        await clock.advance(clock.pauses[-1])
        await until(lambda count=count: len(clock.pauses) > count, "the next round")


async def test_a_day_without_an_endpoint_delays_nobody_else_and_loses_nothing(slow, receiver):
    async with tcp.serving(hang_up) as port, slow.on():
        dead = await slow.make(f"http://127.0.0.1:{port}/")
        good = await slow.make(receiver.url)
        await slow.works(1, "J-0")
        await until(lambda: slow.clock.pauses, "the first pause")
        for number in range(1, 5):
            await through(slow, 6)
            happened = await slow.works(2, f"J-{number}")
            await until(lambda happened=happened: len(receiver.requests) == len(happened), "the good one, at once")
        assert slow.clock.pauses == [*FIRST, *[6.0 * HOUR_S] * 4]
        assert slow.link(dead).state == "down"
        assert "broke off" in slow.link(dead).error
        assert slow.link(good).state == "up"
        position = await slow.reader(dead)
        assert position["position"] < (await slow.reader(good))["position"]
        (log,) = await slow.logs(dead)
        assert log["status_code"] is None
        assert log["error_message"].startswith(
            "Exhausted retries after 3 attempts. Last failure: the connection broke off"
        )
    async with receiving(port=port) as back, slow.on():
        await slow.drained(dead)
        assert back.ids == receiver.ids == [one["id"] for one in await slow.happened()]
        assert all(one["raw"] and one["stringified"] for one in back.requests)
        logs = await slow.logs(dead)
        assert len(logs) == len(back.requests)
        assert logs[0]["error_message"].startswith("Recovered after ")
        assert {one["status_code"] for one in logs} == {200}
        assert (await slow.reader(dead))["failures"] == 0


async def test_after_three_days_it_is_switched_off_and_goes_on_from_its_place_when_it_is_switched_on(slow):
    async with slow.on():
        async with tcp.serving(hang_up) as port:
            row = await slow.make(f"http://127.0.0.1:{port}/")
            await slow.works(1, "J-0")
            await until(lambda: slow.clock.pauses, "the first pause")
            began_s = slow.clock.monotonic()
            while slow.link(row).state != "off":
                count = len(slow.clock.pauses)
                await slow.clock.advance(slow.clock.pauses[-1])
                await until(lambda count=count: len(slow.clock.pauses) > count or slow.link(row).state == "off")
        assert slow.clock.monotonic() - began_s == 72 * HOUR_S
        assert slow.clock.pauses == [*FIRST, *[6.0 * HOUR_S] * 11, 12_240.0]
        (shown,) = (await slow.floor.get(PATH))["webhooks"]
        assert shown["active"] is False
        (log,) = await slow.logs(row, f"&event_type={store.DEACTIVATED}")
        assert "not reached for 72 h" in log["error_message"]
        *_, event = await slow.floor.events()
        assert event["changes"][0]["fields"] == ["active", "updated_at"]
        async with receiving(port=port) as back:
            await slow.change(row, active=True)
            await slow.drained(row)
            assert back.ids == [one["id"] for one in await slow.happened()]


async def test_a_restart_tries_at_once_and_does_not_begin_to_count_anew(slow):
    async with tcp.serving(hang_up) as port:
        async with slow.on():
            row = await slow.make(f"http://127.0.0.1:{port}/")
            await slow.works()
            await until(lambda: slow.clock.pauses)
            await through(slow, 3)
        assert slow.clock.pauses == [*FIRST, 6.0 * HOUR_S]
        async with slow.on():
            await until(lambda: len(slow.clock.pauses) > 5)
            assert slow.clock.pauses[5:] == [6.0 * HOUR_S]
            assert slow.link(row).state == "down"
            await slow.change(row, url=f"http://127.0.0.1:{port}/other")
            await until(lambda: len(slow.clock.pauses) > 6)
            assert slow.clock.pauses[6:] == [60.0], "one that was changed begins anew"


async def test_an_endpoint_that_never_answers_is_let_go(hooks, receiver, monkeypatch):
    monkeypatch.setattr(posting, "ANSWER_MAX_S", 0.2)
    await receiver.answers(usual=0)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await until(lambda: hooks.link(row).state == "down")
        assert "no answer within" in hooks.link(row).error
        assert len(receiver.requests) == 3


async def test_an_answer_without_an_end_is_not_read_to_its_end(hooks):
    ended = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"2000\r\n" + b"x" * 8192 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            ended.set()

    async with tcp.serving(pour) as port, hooks.on():
        row = await hooks.make(f"http://127.0.0.1:{port}/", events=["job.created"])
        await hooks.floor.job("J-1")
        await hooks.drained(row)
        (letter,) = await hooks.letters(row)
        await until(ended.is_set, "somebody who hangs up")
    assert len(letter["reason"]) == 1_000


async def test_what_is_set_aside_has_a_limit(hooks, receiver, monkeypatch):
    monkeypatch.setattr(store, "PARKED_MAX", 3)
    monkeypatch.setattr(store, "RETRIES_MAX", 1)
    await receiver.answers(usual=500)
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["operation.*"])
        await hooks.works(3)
        await hooks.drained(row)
        letters = await hooks.letters(row)
        assert len(letters) == 3
        assert sum(one["state"] == "retry" for one in letters) <= 1
        assert (await hooks.reader(row))["skipped"] == 3


async def test_what_was_told_and_not_written_down_is_told_again_under_its_id(hooks, receiver, monkeypatch):
    written, failures = store.delivered, iter([True])

    def fails_once(tx, *given):
        if next(failures, False):
            raise ValueError("a defect of ours")
        return written(tx, *given)

    monkeypatch.setattr(store, "delivered", fails_once)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
    ids = [one["id"] for one in await hooks.happened()]
    assert list(dict.fromkeys(receiver.ids)) == ids
    assert len(receiver.ids) > len(ids)
    assert len(await hooks.logs(row)) == len(ids)


async def test_too_many_of_them_are_refused(plant, monkeypatch):
    monkeypatch.setattr("gateway.webhooks.commands.WEBHOOKS_MAX", 1)
    hooks = Hooks(plant)
    await hooks.make("https://erp.example.com/")
    reply = await plant.send("POST", PATH, {"url": "https://erp.example.com/", "events": ["*"]})
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
