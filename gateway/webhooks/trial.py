"""A trial: one delivery of something that never happened. It tells of no event, so no reader of the journal could send it."""

import asyncio

from gateway.kernel.clock import zulu
from gateway.kernel.db import Tx
from gateway.kernel.errors import Busy, CellNotAllowed, Unavailable
from gateway.outbox import receipts
from gateway.outbox.command import Commands
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller
from gateway.webhooks import body, signing, store
from gateway.webhooks.attempts import Reply
from gateway.webhooks.model import Webhook
from gateway.webhooks.posting import posting
from gateway.webhooks.sender import Here, secret_of

TEST_EVENT = "webhook.test"  # nothing that happens is called so


class Trial(Commands):
    """One at a time."""

    def __init__(self, here: Here) -> None:
        super().__init__(here.db, here.clock, here.new_id, here.gateway_id)
        self._here = here
        self._going = asyncio.Lock()

    async def run(self, webhook_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """One try. The answer says whether it was taken, or why not; so does the log. Raises NotFound, CellNotAllowed, Busy."""
        if caller.cells is not None:
            raise CellNotAllowed("a webhook is told of every cell, this key may write in some only")
        if receipt and (known := await self._db.read(receipts.answered, receipt)):
            return known
        webhook = await self._db.read(store.webhook, webhook_id)
        if self._going.locked():
            raise Busy("another webhook is being tried: ask again in a few seconds")
        async with self._going:
            data = {"webhook_id": webhook.id, "gateway": self._here.gateway_id}
            said = body.written(TEST_EVENT, zulu(self._clock.now()), data)
            began_s = self._clock.monotonic()
            reply = await self._sent(webhook, said)
            latency_ms = round((self._clock.monotonic() - began_s) * 1e3)
        return await self._once(receipt, _logged, webhook_id, said.decode(), reply, latency_ms)

    async def _sent(self, webhook: Webhook, said: bytes) -> Reply:
        try:
            secret = await secret_of(webhook, self._here)
        except Unavailable as exc:
            return Reply(None, exc.message)
        headers = signing.headers(secret, TEST_EVENT, self._new_id(), said, self._clock.now(), None)
        async with posting(self._here.targets) as post:
            return await post.send(webhook.url, said, headers, secret)


def _logged(tx: Tx, stamp: Stamp, webhook_id: str, said: str, reply: Reply, latency_ms: int) -> Answer:
    store.noted(tx, stamp.text, webhook_id, stamp.new_id(), TEST_EVENT, said, reply.error, reply.status)
    result = {
        "webhook_id": webhook_id,
        "success": reply.error is None,
        "status_code": reply.status,
        "error_message": reply.error,
        "latency_ms": latency_ms,
    }
    return Answer(200, encode({"result": result}))
