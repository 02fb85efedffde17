"""All SQL of the MCP keys and of the log of what they have called."""

import json
import sqlite3
from typing import Any

from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, NotFound
from gateway.mcp_keys.model import NewMcpKey, Usage
from gateway.mcp_keys.redaction import redacted
from gateway.outbox.event import encode

LOG_ROWS_MAX = 100_000  # `[retention] log_days` ends them sooner

_LISTED = """
SELECT id, name, key_prefix, allowed_tools, rate_limit, enabled, created_at, last_used_at, usage_count
FROM mcp_authentication_keys ORDER BY created_at DESC, id DESC
"""
_INSERT = """
INSERT INTO mcp_authentication_keys (id, name, description, key_hash, key_prefix, environment, allowed_tools, rate_limit,
  created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_LOG = """
INSERT INTO mcp_key_usage_logs (id, key_id, caller, tool_name, tool_arguments, success, error_message, response_time_ms,
  ip_address, user_agent, created_at)
SELECT ?1, (SELECT id FROM mcp_authentication_keys WHERE id = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
"""
_BEYOND = "DELETE FROM mcp_key_usage_logs WHERE rowid <= (SELECT max(rowid) FROM mcp_key_usage_logs) - ?"
_USED = "UPDATE mcp_authentication_keys SET last_used_at = ?, usage_count = usage_count + 1 WHERE id = ?"


def enabled(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT id, name, key_hash, allowed_tools, rate_limit FROM mcp_authentication_keys WHERE enabled = 1"
    ).fetchall()


def listed(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every key without its hash, newest first."""
    return [
        dict(row)
        | {"allowed_tools": json.loads(row["allowed_tools"])}
        | dict.fromkeys(("active", "enabled"), bool(row[5]))
        for row in connection.execute(_LISTED)
    ]


def insert(tx: Tx, key_id: str, wanted: NewMcpKey, hashed: str, prefix: str, now: str) -> None:
    """Raises Conflict when a key that is in use has that name."""
    environment = prefix.split("_")[1]
    row = (
        key_id,
        wanted.name,
        wanted.description,
        hashed,
        prefix,
        environment,
        encode(wanted.tools),
        wanted.rate_limit,
    )
    try:
        tx.execute(_INSERT, (*row, now, now))
    except sqlite3.IntegrityError as exc:
        raise Conflict(f'an MCP key that is in use is called "{wanted.name}": take another name, or revoke it') from exc


def revoke(tx: Tx, name_or_id: str, now: str) -> dict[str, Any]:
    """The key that has ended. Raises NotFound."""
    row = tx.execute(
        "UPDATE mcp_authentication_keys SET enabled = 0, updated_at = ?2 WHERE enabled = 1 AND (id = ?1 OR name = ?1) "
        "RETURNING id, name, description, allowed_tools, rate_limit",
        (name_or_id, now),
    ).fetchone()
    if row is None:
        raise NotFound(f'no active key has the name or id "{name_or_id}": `keys list` shows them')
    return dict(row)


def is_mcp(connection: sqlite3.Connection, name_or_id: str) -> bool:
    """Is this an MCP key that is in use?"""
    sql = "SELECT 1 FROM mcp_authentication_keys WHERE enabled = 1 AND (id = ?1 OR name = ?1)"
    return connection.execute(sql, (name_or_id,)).fetchone() is not None


def log(tx: Tx, row_id: str, used: Usage, now: str) -> None:
    """One call; the oldest goes when there are too many."""
    took = (used.took_ms, used.address, used.program)
    made = (row_id, used.key_id, used.agent, used.tool, redacted(used.arguments))
    tx.execute(_LOG, (*made, used.error is None, used.error, *took, now))
    tx.execute(_BEYOND, (LOG_ROWS_MAX,))
    if used.key_id is not None:
        tx.execute(_USED, (now, used.key_id))
