"""All SQL about substeps that is not a declaration."""

import sqlite3

_NEXT_SEQUENCE = "SELECT coalesce(max(sequence), 0) + 1 FROM substeps WHERE operation_id = ?"


def next_sequence(connection: sqlite3.Connection, operation_id: str) -> int:
    number: int = connection.execute(_NEXT_SEQUENCE, (operation_id,)).fetchone()[0]
    return number
