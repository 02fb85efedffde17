"""All webhooks, each with a way out of its own, and the connections that they share."""

import random

from gateway.kernel.health import Health, Link
from gateway.outbox.ways import Run, Ways
from gateway.webhooks import store
from gateway.webhooks.model import Webhook
from gateway.webhooks.posting import posting
from gateway.webhooks.resources import WEBHOOKS
from gateway.webhooks.sender import Here, Sender

PAUSE_MAX_S = 30.0  # between two looks at one that cannot be told anything as its row is


class Senders:
    """`link` is their common one."""

    def __init__(self, here: Here, health: Health, link: Link, rng: random.Random) -> None:
        self._here = here
        self._health = health
        self._link = link
        self._rng = rng

    async def run(self) -> None:
        here = self._here
        async with posting(here.targets) as post:

            def built(webhook: Webhook, own: Link) -> Run:
                return Sender(here, post, webhook, own).run

            given = (WEBHOOKS.table, store.webhooks, built, here.db, here.clock, self._health, self._link, self._rng)
            await Ways(*given, pause_max_s=PAUSE_MAX_S).run()
