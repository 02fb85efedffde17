"""`audit ...`: is the journal what was written?"""

import sqlite3
from dataclasses import asdict
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.outbox import chain
from gateway.outbox.chain import Link


async def page(box: Box, given: Arguments) -> dict[str, Any]:
    """seq and hash (hex, or None) of the last entry that is believed; without `seq`: `since`, an entry to begin after.

    {from, at, head: {seq, hash}, checked, unchained, through, broken: {seq, what, told} or None}, one page of the journal.
    """
    return await box.db.read(_page, given)


def _page(connection: sqlite3.Connection, given: Arguments) -> dict[str, Any]:
    if given.get("seq") is None:
        begins = chain.at(connection, int(given["since"]))
    else:
        begins = Link(int(given["seq"]), bytes.fromhex(given["hash"]) if given.get("hash") else None)
    told = chain.verified(connection, begins)
    return {
        "from": _shown(begins),
        "at": _shown(told.at),
        "head": _shown(chain.head(connection)),
        "checked": told.checked,
        "unchained": told.unchained,
        "through": told.through,
        "broken": told.broken and asdict(told.broken),
    }


def _shown(link: Link) -> dict[str, Any]:
    return {"seq": link.seq, "hash": link.hash and link.hash.hex()}
