"""Takes the entries of other gateways' journals, some hundred to a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from gateway.files.blobs import Blobs
from gateway.hub import gateways
from gateway.hub.entities import epoch
from gateway.hub.entries import Happened, Sender, Taken, require_going, take
from gateway.hub.raw import Raw, tables
from gateway.hub.written import Made
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError, NotRun
from gateway.kernel.following import shown
from gateway.kernel.ids import NewId
from gateway.outbox.event import Stamp, encode
from gateway.web import errors

log = structlog.get_logger(__name__)

SLICE = 100  # entries in one transaction: another write waits some ten milliseconds


class Journals:
    """`own_id`: this box, the origin of what follows from them here."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, own_id: str, blobs: Blobs) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._own_id = own_id
        self._blobs = blobs
        self._tables: Mapping[str, Raw] | None = None

    async def take(self, sender: Sender, entries: Sequence[Happened], settled: int, request_id: str) -> str:
        """What became of them, JSON text. Raises EpochFenced."""
        if self._tables is None:
            self._tables = await self._db.read(tables)
        later = {(one.table, one.id) for entry in entries for one in entry.changes if one.op == "insert"}
        all_ = Taken()
        for first in range(0, len(entries), SLICE):
            going = []
            for entry in entries[first : first + SLICE]:
                try:
                    require_going(all_.stopped, entry)
                    going.append(entry)
                except NotRun as refusal:
                    all_.refused.append((entry.key, refusal))
            stamp = Stamp(self._clock.now(), self._own_id, self._new_id)
            some = await self._db.write(_slice, stamp, sender, going, self._tables, later)
            all_.seqs |= some.seqs
            all_.replayed += some.replayed
            all_.refused += some.refused
            all_.stopped |= some.stopped
            for place in some.dropped:
                await self._blobs.drop(place)
        if ids := tuple(dict.fromkeys(entry.request_id for entry in entries if entry.request_id)):
            log.info("forward.taken", gateway=sender.gateway_id, entries=len(all_.seqs), **shown(ids))
        about: dict[str, Any] = {
            "taken": len(all_.seqs),
            "replayed": all_.replayed,
            "settled": settled,
            "follows": True,
        }
        about |= {"seqs": [all_.seqs.get(entry.key, 0) for entry in entries]}
        refused = ",".join(_told(key, refusal, request_id) for key, refusal in all_.refused)
        return f'{encode({**about, "epoch": await self._db.read(epoch)})[:-1]},"refused":[{refused}]}}'


def _slice(
    tx: Tx, stamp: Stamp, sender: Sender, entries: Sequence[Happened], known: Mapping[str, Raw], later: Made
) -> Taken:
    gateways.require_epoch(tx, gateway_id=sender.gateway_id, epoch=sender.epoch)
    return take(tx, stamp, sender, entries, known, later)


def _told(key: str, refusal: GatewayError, request_id: str) -> str:
    return f'{{"key":{encode(key)},"status":{errors.status_of(refusal)},"body":{errors.envelope(refusal, request_id)}}}'
