"""Which cells are ours: the settings name them, or give their ids. One that is given another name over there stays ours."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.kernel import state
from gateway.kernel.db import Tx

ALL = "*"
_KEY = "cloud.cells"

Found = Mapping[str, Sequence[str]]  # name in the settings -> ids, as they were found last


@dataclass(frozen=True, slots=True)
class Own:
    """`ids`: of the cells that are ours, None for all; `missing`: what stands in the settings and is none of the cells; `found`
    is to be remembered.
    """

    ids: frozenset[str] | None
    missing: tuple[str, ...] = ()
    found: Found = field(default_factory=dict)


def own(wanted: Collection[str], names: Mapping[str, str], known: Found) -> Own:
    """`names`: id -> name of every cell; `known`: what was found before. Who is called like that now goes before who was."""
    if ALL in wanted:
        return Own(None, found=known)
    here = {
        name: [row_id for row_id, called in names.items() if name in (row_id, called)]
        or [row_id for row_id in known.get(name, ()) if row_id in names]
        for name in wanted
    }
    missing = tuple(name for name, ids in here.items() if not ids)
    ids = frozenset(row_id for found in here.values() for row_id in found)
    return Own(ids, missing, {name: found or known.get(name, []) for name, found in here.items()})


def remembered(connection: sqlite3.Connection) -> Found:
    found: dict[str, list[str]] = json.loads(state.get(connection, _KEY) or "{}")
    return found


def remember(tx: Tx, found: Found) -> None:
    state.put(tx, _KEY, json.dumps(found))
