"""The cloud's activity log: what its triggers write down of each change. The closest thing to a change feed that it has.

An entry is stamped with the *beginning* of its transaction and can be seen only from the commit on: one that took long lands
behind entries that others have read already. Substeps, assignments, resources, scrap reasons and more are not in it.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.demo.cloud_database import Database, Row
from gateway.demo.cloud_schema import table
from gateway.demo.cloud_values import instant_text

KEPT_MAX = 20_000  # entries: the real one has no such limit that we know of
LOG = table(
    """
        id:uuid! tenant_id:uuid! user_id:uuid action:text! entity_type:text entity_id:uuid entity_name:text
        description:text changes:jsonb metadata:jsonb created_at:timestamptz!
    """
)

_AUDITED = frozenset(("jobs", "parts", "operations", "cells", "profiles"))
_TOLD = {  # the second trigger, in people's words
    "jobs": "job",
    "parts": "part",
    "operations": "operation",
    "issues": "issue",
    "operation_quantities": "quantity",
    "time_entries": "time_entry",
}
_VERBS = {"insert": "create", "update": "update", "delete": "delete"}


class Activity:
    """`tell` is called with what goes out as a webhook besides: (tenant, event, data); `added` with each entry."""

    def __init__(self, database: Database, tell: Callable[[str, str, Row], None], added: Callable[[Row], None]) -> None:
        self._db = database
        self._tell = tell
        self._added = added
        self._began: str | None = None
        self.entries: deque[Row] = deque(maxlen=KEPT_MAX)  # in the order in which they can be seen
        database.changed = self._changed

    @contextlib.contextmanager
    def transaction(self, began: datetime) -> Iterator[None]:
        """What is written inside is there at once, and stamped as what it is: a commit of something that began earlier."""
        self._began = instant_text(began)
        try:
            yield
        finally:
            self._began = None

    def counted(self, tenant_id: str) -> None:
        """Each request of a key counts up in its tenant, and tenants are audited: noise."""
        self._add(tenant_id, "update", "tenants", tenant_id, {"old": {"id": tenant_id}, "new": {"id": tenant_id}})

    def _changed(self, table_name: str, before: Row | None, after: Row | None) -> None:
        row = after or before or {}
        verb = "insert" if before is None else "delete" if after is None else "update"
        changes = {side: dict(image) for side, image in (("old", before), ("new", after)) if image is not None}
        if table_name in _AUDITED:
            self._add(row["tenant_id"], verb, table_name, row["id"], changes)
        if kind := _TOLD.get(table_name):
            self._add(row["tenant_id"], _VERBS[verb], kind, row["id"], changes)
            data = {"entity_type": kind, "entity_id": row["id"], "action": _VERBS[verb], "changes": changes}
            self._tell(row["tenant_id"], f"{kind}.{_VERBS[verb]}", data)

    def _add(self, tenant_id: str, action: str, kind: str, entity_id: str, changes: Mapping[str, Any]) -> None:
        entry = dict.fromkeys(LOG.columns) | {
            "id": self._db.new_id(),
            "tenant_id": tenant_id,
            "action": action,
            "entity_type": kind,
            "entity_id": entity_id,
            "changes": changes,
            "metadata": {"table": kind, "schema": "public"} if kind.endswith("s") else {},
            "created_at": self._began or self._db.now(),
        }
        self.entries.append(entry)
        self._added(entry)
