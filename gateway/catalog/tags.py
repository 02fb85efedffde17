"""ETags of rows and lists: told by the journal, so that what did not change is neither read nor built again."""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from gateway.catalog import store
from gateway.catalog.resources import Resource
from gateway.kernel.db import Database
from gateway.kernel.revisions import Revisions
from gateway.outbox import journal
from gateway.outbox.receipts import Answer
from gateway.web import conditions
from gateway.web.listing import Listing
from gateway.web.routes import Call

MARK_BYTES = 8
TOTALS_MAX = 256  # lists of one table
NOT_MODIFIED = 304

List = tuple[bytes, frozenset[str] | None]  # what its cursors are bound to, and the cells of who asks


@dataclass(frozen=True, slots=True)
class View:
    """What somebody asks to see, and how much had been committed when he did. `seen` is his `If-None-Match`."""

    resource: Resource
    cells: frozenset[str] | None
    revisions: Revisions
    commits: int
    mark: str
    seen: str

    @classmethod
    def of(cls, resource: Resource, call: Call, db: Database) -> "View":
        cells = call.caller.cells
        asked = repr((resource.table, sorted(call.query.items()), None if cells is None else sorted(cells)))
        mark = hashlib.blake2b(asked.encode(errors="surrogatepass"), digest_size=MARK_BYTES).hexdigest()
        return cls(resource, cells, db.revisions, db.commits.count, mark, call.headers.get("If-None-Match", ""))

    @property
    def tables(self) -> frozenset[str]:
        return self.resource.tables if self.cells is None else self.resource.tables_in_cells

    def rest(self, revision: int) -> str:
        """The part of the tag that says which state of all these tables is shown to whom."""
        return f"{self.revisions.boot}.{revision:x}.{self.mark}"


class Totals:
    """How long the lists of a table are, for as long as nothing in them changes. All readers share it."""

    def __init__(self) -> None:
        self._known: dict[List, tuple[int, int]] = {}  # list -> (revision, total)

    def of(self, list_: List, revision: int, count: Callable[[], int]) -> int:
        at, total = self._known.get(list_, (-1, 0))
        if at != revision:
            total = count()
            if len(self._known) >= TOTALS_MAX:
                self._known.clear()
            self._known[list_] = (revision, total)
        return total


def unchanged(view: View, *, single: bool) -> Answer | None:
    """304 without a look at the database: nothing has been committed since somebody looked, or nothing of this."""
    known = view.revisions.known
    if not view.seen or not view.resource.journaled or known.commits < view.commits:
        return None
    return _same(view, known.of(view.tables, known.upto), single=single)


def row(connection: sqlite3.Connection, view: View, row_id: str) -> Answer:
    """One live row, or 304. Raises NotFound."""
    revision = _revision(connection, view)
    if same := _same(view, revision, single=True):
        return same
    text, version = store.versioned(connection, view.resource, row_id, view.cells)
    tag = f'"{version}-{view.rest(revision)}"' if view.resource.journaled else ""
    return Answer(200, view.resource.one(text), etag=tag)


def page(connection: sqlite3.Connection, view: View, listing: Listing, totals: Totals) -> Answer:
    """A page of the list, or 304."""
    revision = _revision(connection, view)
    if same := _same(view, revision, single=False):
        return same
    asked = (connection, view.resource, listing, view.cells)

    def count() -> int:
        if not view.resource.journaled:
            return store.count(*asked)
        return totals.of((listing.bound_to, view.cells), revision, lambda: store.count(*asked))

    tag = f'"{view.rest(revision)}"' if view.resource.journaled else ""
    return Answer(200, store.page(*asked, count), etag=tag)


def _same(view: View, revision: int, *, single: bool) -> Answer | None:
    if not view.seen or not view.resource.journaled:
        return None
    rest = view.rest(revision)
    if single:
        tag = conditions.row_seen(view.seen, rest)
        return Answer(NOT_MODIFIED, "", etag=tag) if tag else None
    tag = f'"{rest}"'
    return Answer(NOT_MODIFIED, "", etag=tag) if conditions.seen(view.seen, tag) else None


def _revision(connection: sqlite3.Connection, view: View) -> int:
    """That of the snapshot that is being read; what its journal tells is learned on the way."""
    revisions, head = view.revisions, journal.head(connection)
    known = revisions.known
    if head > known.upto:
        known = known.moved(head, journal.touched(connection, known.upto, head))
    if head >= known.upto:
        revisions.learn(known, view.commits)
    return known.of(view.tables, head)
