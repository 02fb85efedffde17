"""A trial: one message to a publisher's broker, on a connection of its own. It tells of nothing that happened, so no reader
of the journal could send it; like the probe of our own broker it only asks whether somebody is there and takes it.
"""

import asyncio

from gateway.kernel.clock import zulu
from gateway.kernel.db import Tx
from gateway.kernel.errors import Busy, CellNotAllowed, Unavailable
from gateway.outbox import receipts
from gateway.outbox.command import Commands
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt
from gateway.publishers import store
from gateway.publishers.model import Publisher
from gateway.publishers.rules import TEST_EVENT
from gateway.publishers.sender import Here, address_of, told_of
from gateway.publishers.store import Told
from gateway.uns.client import connected
from gateway.uns.packets import Message
from gateway.web.routes import Caller

TEST_SCHEMA = "uns/test/1"


class Trial(Commands):
    """One at a time."""

    def __init__(self, here: Here) -> None:
        super().__init__(here.db, here.clock, here.new_id, here.topics.gateway_id)
        self._here = here
        self._going = asyncio.Lock()

    async def run(self, publisher_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """The answer says whether it arrived, or why not; so does the log. Raises NotFound, CellNotAllowed, Busy."""
        if caller.cells is not None:
            raise CellNotAllowed("a publisher is told of every cell, this key may write in some only")
        if receipt and (known := await self._db.read(receipts.answered, receipt)):
            return known
        publisher = await self._db.read(store.publisher, publisher_id)
        if self._going.locked():
            raise Busy("another publisher is being tried: ask again in a few seconds")
        async with self._going:
            told = await self._said(publisher)
        return await self._once(receipt, _logged, publisher_id, told)

    async def _said(self, publisher: Publisher) -> Told:
        message = self._message(publisher)
        try:
            address = await address_of(publisher, self._here.box)
            async with connected(address, f"{self._here.client_id(publisher)}-test") as session:
                (answer,) = await session.acknowledged([message])
        except Unavailable as exc:
            return Told(TEST_EVENT, message.topic, str(message.payload), exc.message, None)
        return told_of(answer)

    def _message(self, publisher: Publisher) -> Message:
        own = self._here.topics
        payload = {
            "event": TEST_EVENT,
            "timestamp": zulu(self._clock.now()),
            "tenant_id": own.tenant_id,
            "data": {"mqtt_publisher_id": publisher.id, "name": publisher.name},
            "source": own.gateway_id,
            "schema": TEST_SCHEMA,
        }
        topic = self._here.topics_of(publisher).event(TEST_EVENT, None, {})
        return Message(topic, encode(payload), properties=(("event", TEST_EVENT), ("schema", TEST_SCHEMA)))


def _logged(tx: Tx, stamp: Stamp, publisher_id: str, told: Told) -> Answer:
    store.log(tx, stamp.new_id, stamp.text, publisher_id, [told])
    result = {
        "mqtt_publisher_id": publisher_id,
        "topic": told.topic,
        "success": told.error is None,
        "error_message": told.error,
        "latency_ms": told.latency_ms,
    }
    return Answer(200, encode({"result": result}))
