"""All SQL of the key management. The keys themselves are in `web/auth.py`."""

import sqlite3

from gateway.kernel.db import Tx
from gateway.kernel.errors import NotFound
from gateway.kernel.ids import is_uuid

LISTED_MAX = 1_000
_PERSON = "(SELECT json_object('id', p.id, 'username', p.username, 'full_name', p.full_name) FROM profiles p WHERE p.id = k.{})"
_ROW = f"""json_object('id', k.id, 'name', k.name, 'key_prefix', k.key_prefix, 'prefix', k.key_prefix,
  'active', json(CASE WHEN k.active THEN 'true' ELSE 'false' END), 'scope', k.scope, 'cells', json(k.cells),
  'operator_id', k.operator_id, 'operator', {_PERSON.format("operator_id")}, 'origin', k.origin,
  'last_used_at', k.last_used_at, 'created_at', k.created_at, 'created_by', {_PERSON.format("created_by")})"""
_LIST = f"SELECT {_ROW} FROM api_keys k ORDER BY k.created_at DESC, k.id DESC LIMIT ?"  # nosec B608 # noqa: S608 -- constants only


def listed(connection: sqlite3.Connection) -> str:
    """`{"api_keys":[...]}`, newest first, ended ones too; no secret is among it."""
    return f'{{"api_keys":[{",".join(row[0] for row in connection.execute(_LIST, (LISTED_MAX,)))}]}}'


def end(tx: Tx, key_id: str) -> bool:
    """Ended by a person: also one that the cloud made is not asked about there again."""
    done = tx.execute("UPDATE api_keys SET active = 0, refused_at = NULL WHERE id = ?", (key_id,))
    return done.rowcount > 0


def cell_ids(connection: sqlite3.Connection, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Raises NotFound for a name that no cell has. An id may belong to a cell that is still to come."""
    found = []
    for cell in wanted:
        row = connection.execute("SELECT id FROM cells WHERE id = ?1 OR name = ?1", (cell,)).fetchone()
        if row is None and not is_uuid(cell):
            raise NotFound(f'no cell is called "{cell}": give its id, or import or pull the cells first')
        found.append(row[0] if row else cell.lower())
    return tuple(found)


def operator_id(connection: sqlite3.Connection, wanted: str) -> str:
    """By id, user name or employee number. Raises NotFound."""
    row = connection.execute(
        "SELECT id FROM profiles WHERE id = ?1 OR username = ?1 OR employee_id = ?1", (wanted,)
    ).fetchone()
    if row is None:
        raise NotFound(f'no profile has the id, user name or employee number "{wanted}": import the profiles first')
    return str(row[0])
