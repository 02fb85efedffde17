"""Which cards an entry of the journal changes, and those cards as they are now."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.outbox import journal
from gateway.outbox.event import Entry, encode
from gateway.terminals import cards

RESUME_MAX = 2_000  # entries that are looked through for who comes back; beyond them a snapshot is cheaper
CARDS_MAX = 500  # in one message; the same

# What a card shows of each table. Of the others everything counts.
_OF_JOB = frozenset(("job_number", "customer", "due_date", "due_date_override", "deleted_at"))
_OF_PART = frozenset(
    ("part_number", "material", "quantity", "is_bullet_card", "file_paths", "image_paths", "drawing_no")
) | {"cnc_program_name", "extra", "deleted_at"}
_PLACED = frozenset(("cell_id", "part_id", "deleted_at"))  # it may have left a list
_ORDERED = frozenset(("completed_at", "status", "sequence", "part_id", "deleted_at"))  # others may wait for it
_MOVES = frozenset(("started_at", "paused_at", "resumed_at"))  # with `status`: nobody waits more or less for it
# Rows that hang on an operation -> where their operation stands.
_BELOW = {
    "time_entries": "SELECT operation_id FROM time_entries WHERE id IN (SELECT value FROM json_each(:ids))",
    "operation_quantities": "SELECT operation_id FROM operation_quantities WHERE id IN (SELECT value FROM json_each(:ids))",
    "issues": "SELECT operation_id FROM issues WHERE id IN (SELECT value FROM json_each(:ids))",
    "substeps": "SELECT operation_id FROM substeps WHERE id IN (SELECT value FROM json_each(:ids))",
    "batch_operations": "SELECT operation_id FROM batch_operations WHERE id IN (SELECT value FROM json_each(:ids))",
    "operation_batches": "SELECT operation_id FROM batch_operations WHERE batch_id IN (SELECT value FROM json_each(:ids))",
    "parts": "SELECT id FROM operations WHERE part_id IN (SELECT value FROM json_each(:ids))",
    "jobs": """SELECT o.id FROM parts p JOIN operations o ON o.part_id = p.id
      WHERE p.job_id IN (SELECT value FROM json_each(:ids))""",
}
_SHOWN = {"parts": _OF_PART, "jobs": _OF_JOB}
_EVERYWHERE = frozenset(
    ("cells", "profiles", "scrap_reasons", "issue_categories")
)  # what a snapshot holds beside cards


@dataclass(slots=True)
class Touched:
    """`operations` are named themselves, `below` are rows of other tables; of those in `ordered` others may wait, those in `placed`
    may have left a list. `everything`: only a new snapshot tells.
    """

    operations: set[str] = field(default_factory=set)
    below: dict[str, set[str]] = field(default_factory=dict)
    ordered: set[str] = field(default_factory=set)
    placed: set[str] = field(default_factory=set)
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.operations or self.below)


@dataclass(frozen=True, slots=True)
class Told:
    """Cards as JSON text with their cell: (id, cell id, text). `gone`: operations that no list shows any more, `left` those that
    may have left one. None instead of all that: take a snapshot.
    """

    seq: int
    cards: tuple[tuple[str, str, str], ...]
    gone: frozenset[str]
    left: frozenset[str]

    def message(self, cells: Collection[str] | None) -> str | None:
        """For somebody who sees these cells, None: all of them. None when nothing of it is his."""
        shown = [(one, text) for one, cell, text in self.cards if cells is None or cell in cells]
        elsewhere = self.left - {one for one, _ in shown}
        gone = sorted(self.gone | elsewhere)
        if not shown and not gone:
            return None
        return f'{{"seq":{self.seq},"operations":[{",".join(text for _, text in shown)}],"gone":{encode(gone)}}}'


def of(entries: Iterable[Entry]) -> Touched:
    found = Touched()
    for entry in entries:
        kind, _, row_id = entry.aggregate.partition(":")
        for change in json.loads(entry.changes):
            _add(found, change, row_id if kind == "operation" else None)
    return found


def _add(found: Touched, change: Mapping[str, Any], operation_id: str | None) -> None:
    """`operation_id`: the one that the whole entry is about."""
    table, row_id, op, fields = change["table"], change["id"], change["op"], change["fields"]
    names = frozenset(fields or ()) if op == "update" else None  # None: all of it
    if table == "operations":
        found.operations.add(row_id)
        if names is None or names & _PLACED:
            found.placed.add(row_id)
        if names is None or (names & _ORDERED and not (names & _MOVES and "completed_at" not in names)):
            found.ordered.add(row_id)
    elif table in _EVERYWHERE:
        found.everything = True
    elif table in _BELOW:
        if names is not None and table in _SHOWN and not names & _SHOWN[table]:
            return
        if op == "delete" and "operation_id" in (fields or {}):
            found.operations.add(fields["operation_id"])
        elif operation_id is not None and table not in _SHOWN:
            found.operations.add(operation_id)
        else:
            found.below.setdefault(table, set()).add(row_id)


def read(connection: sqlite3.Connection, touched: Touched, seq: int) -> Told | None:
    """The cards as they are now; None: take a snapshot."""
    if touched.everything:
        return None
    ids = {*touched.operations}
    for table, row_ids in touched.below.items():
        ids.update(row[0] for row in connection.execute(_BELOW[table], {"ids": encode(sorted(row_ids))}))
    if touched.ordered:
        ids.update(cards.beside(connection, touched.ordered))
    if len(ids) > CARDS_MAX:
        return None
    found = cards.these(connection, ids)
    texts = tuple((card["id"], card["cell_id"], encode(card)) for card in found)
    gone = ids - {one for one, _, _ in texts}
    return Told(seq, texts, frozenset(gone), frozenset(touched.placed))


def since(connection: sqlite3.Connection, seq: int) -> tuple[int, Told | None]:
    """(the end of the journal, what was touched after `seq`; None: take a snapshot)."""
    head = journal.head(connection)
    if not 0 <= head - seq <= RESUME_MAX:
        return head, None
    entries: list[Entry] = []
    at = seq
    while at < head:
        page: Sequence[Entry] = journal.after(connection, at)
        if not page or page[0].seq != at + 1:  # trimmed meanwhile
            return head, None
        entries += page
        at = page[-1].seq
    return head, read(connection, of(entries), head)
