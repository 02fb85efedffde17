"""All publishers, each with a way out of its own."""

import random

from gateway.kernel.health import Health, Link
from gateway.outbox.ways import Run, Ways
from gateway.publishers import store
from gateway.publishers.model import Publisher
from gateway.publishers.resources import PUBLISHERS
from gateway.publishers.sender import Here, Sender
from gateway.uns.payloads import Source

PAUSE_MAX_S = 5.0  # between two tries, as long as the breaker is closed


def senders(here: Here, source: Source, health: Health, link: Link, rng: random.Random) -> Ways[Publisher]:
    """`link` is their common one."""

    def built(publisher: Publisher, own: Link) -> Run:
        return Sender(here, source, publisher, own).run

    given = (PUBLISHERS.table, store.publishers, built, here.db, here.clock, health, link, rng)
    return Ways(*given, pause_max_s=PAUSE_MAX_S)
