"""A row here, and the same in the cloud: what is different, asked for one entry that was set aside."""

import json
import random
import sqlite3
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.cloud import mapping
from gateway.cloud import store as cloud_
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.functions import Functions
from gateway.cloud.mapping import Wanted
from gateway.cloud.outcome import Kind
from gateway.kernel.errors import NotFound
from gateway.kernel.secrets import usable

ROWS_MAX = 5  # of one entry
ANSWER_MAX_S = 10.0


async def compare(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """seq. [{table, id, error, differences: [{field, local, cloud}]}]: the rows of that entry which the cloud has, too."""
    wanted = await box.db.read(_rows, int(given["seq"]))
    cloud = box.settings.cloud
    if cloud.kind != "plain":
        return [_told(one, "rows are compared with a plain cloud only") for one in wanted]
    budget = Budget(box.db, box.clock, random.Random(), None)  # nosec B311 # noqa: S311 -- jitter, no secret
    key = usable(cloud.api_key.get_secret_value(), "cloud.api_key")
    client = CloudClient(cloud.url, key, box.clock, budget, Functions(box.clock), timeout_s=ANSWER_MAX_S)
    async with client.connected():
        return [await _compared(client, one) for one in wanted]


def _rows(connection: sqlite3.Connection, seq: int) -> list[Wanted]:
    """As they should stand over there. Raises NotFound."""
    found = connection.execute("SELECT changes FROM events WHERE seq = ?", (seq,)).fetchone()
    if found is None:
        raise NotFound(f"the journal has no entry {seq} (any more)")
    rows: list[Wanted] = []
    for change in json.loads(found["changes"]):
        if mapping.forwarded(change["table"]) and (local := cloud_.local(connection, change["table"], change["id"])):
            rows += mapping.wanted(change["table"], *local)
    return rows[:ROWS_MAX]


async def _compared(client: CloudClient, wanted: Wanted) -> dict[str, Any]:
    outcome = await client.get(wanted.table, wanted.id)
    if outcome.kind is not Kind.OK or outcome.row is None:
        return _told(wanted, outcome.text or "the cloud does not have this row")
    there = outcome.row
    differences = [
        {"field": name, "local": value, "cloud": there[name]}
        for name, value in wanted.values.items()
        if name in there and not mapping.same(value, there[name])  # a cloud shows what it has columns for
    ]
    return _told(wanted, None, differences)


def _told(wanted: Wanted, error: str | None, differences: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"table": wanted.table, "id": wanted.id, "error": error, "differences": differences or []}
