"""What a broker says no to, with every reason it can give: a broker by hand, for what no real one does on demand."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tcp import serving
from uns_hall import HOST, until

from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.uns import refused
from gateway.uns.client import connected
from gateway.uns.packets import Address, Message
from gateway.uns.refused import Refusals

NOT_AUTHORISED, BAD_TOPIC, QUOTA = 0x87, 0x90, 0x97


class Grudging:
    """It answers each PUBLISH with the next of the reason codes that it was given, then with success. `said`: their topics."""

    def __init__(self, *codes: int) -> None:
        self._codes = [*codes]
        self.said: list[str] = []
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(1):
            self.heard += head
            body = await reader.readexactly(await self._length(reader))
            kind = head[0] >> 4
            if kind == 1:
                writer.write(bytes([0x20, 3, 0, 0, 0]))
            elif kind == 3:
                name = 2 + int.from_bytes(body[:2])
                self.said.append(body[2:name].decode())
                code = self._codes.pop(0) if self._codes else 0
                writer.write(bytes([0x40, 3]) + body[name : name + 2] + bytes([code]))
            elif kind == 14:
                break
        writer.close()

    async def _length(self, reader: asyncio.StreamReader) -> int:
        value, shift = 0, 0
        while True:
            byte = (await reader.readexactly(1))[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    @asynccontextmanager
    async def serving(self):
        """Yields where it is."""
        async with serving(self.serve) as port:
            yield Address(HOST, port, "", "")


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(refused, "AGAIN_S", 0.01)
    monkeypatch.setattr(refused, "QUOTA_PAUSE_S", 0.01)
    monkeypatch.setattr(refused, "QUOTA_PAUSE_MAX_S", 0.04)


@asynccontextmanager
async def speaking(grudging: Grudging):
    """Yields (refusals, session, link)."""
    link = Link("uns", SystemClock())
    async with grudging.serving() as address, connected(address, "test") as session:
        yield Refusals(SystemClock(), link), session, link


def messages(*topics: str) -> list[Message]:
    return [Message(topic, "{}") for topic in topics]


async def test_every_answer_is_told_with_its_reason_and_how_long_it_took():
    grudging = Grudging(0, NOT_AUTHORISED, BAD_TOPIC, QUOTA)
    async with grudging.serving() as address, connected(address, "test") as session:
        told = await session.acknowledged(messages("a", "b", "c", "d", "e"))
        assert [one.code for one in told] == [0, NOT_AUTHORISED, BAD_TOPIC, QUOTA, 0]
        assert [one.refused for one in told] == [False, True, True, True, False]
        assert all(0 <= one.latency_s < 10 for one in told)
        assert await session.publish(messages("f")) == []


@pytest.mark.parametrize("code", [NOT_AUTHORISED, BAD_TOPIC])
async def test_what_is_denied_is_tried_three_times_told_once_and_passed_by(code, capsys):
    grudging = Grudging(code, 0, code, code, code, 0)
    async with speaking(grudging) as (refusals, session, link):
        assert await refusals.publish(session, messages("closed", "open")) == 1
        assert grudging.said == ["closed", "open", "closed", "closed"]
        assert await refusals.publish(session, messages("closed", "open")) == 1, "no second round of tries for it"
        assert grudging.said[4:] == ["closed", "open"]
        assert (link.state, link.facts["refused"]) == ("degraded", 2)
        assert str(code) in link.error
        assert await refusals.publish(session, messages("closed")) == 0
        assert link.state == "up", "it is forgiven"
    assert capsys.readouterr().out.count("uns.refused") == 1


async def test_a_used_up_quota_is_waited_for_nothing_is_given_up_and_the_order_stays():
    grudging = Grudging(0, QUOTA, 0, QUOTA, QUOTA, QUOTA, QUOTA)
    async with speaking(grudging) as (refusals, session, link):
        told = await refusals.deliver(session, messages("a", "b", "c"))
        assert [one.message.topic for one in told] == ["a", "b", "c"]
        assert not any(one.refused for one in told)
        assert grudging.said[-2:] == ["b", "c"], "also what went through is said again, behind what did not"
        assert (link.state, link.facts["refused"]) == ("up", 0)


async def test_while_it_waits_the_link_says_so(monkeypatch):
    monkeypatch.setattr(refused, "QUOTA_PAUSE_S", 60.0)
    monkeypatch.setattr(refused, "QUOTA_PAUSE_MAX_S", 60.0)
    async with speaking(Grudging(QUOTA)) as (refusals, session, link):
        waiting = asyncio.create_task(refusals.publish(session, messages("a")))
        await until(lambda: link.state == "degraded")
        assert "quota is used up (151): trying again in 60 s" in link.error
        assert await refusals.publish(session, messages("b")) == 0
        assert link.state == "degraded", "another one's success does not hide it"
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_where_a_connection_must_not_lead_nothing_is_said():
    grudging = Grudging()
    async with grudging.serving() as address:
        asked: list[str] = []
        guarded = Address(address.host, address.port, "u", "p", allowed=lambda found: bool(asked.append(found)))
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1 is not an allowed target"):
            async with connected(guarded, "test"):
                raise AssertionError("it was let in")
    assert asked[:1] == ["127.0.0.1"]
    assert grudging.heard == b""
