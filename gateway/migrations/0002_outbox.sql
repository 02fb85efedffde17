-- The journal is the outbox: one append-only table, and for each way out a position in it.

CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- a journal trimmed empty must not count from 1 again
  id TEXT NOT NULL,
  type TEXT,                              -- null: row changes that nobody subscribes to by name
  lane TEXT NOT NULL,                     -- sending order: the job tree, or the row itself
  aggregate TEXT NOT NULL,                -- what is parked together: one operation, entry, job ...
  origin TEXT NOT NULL,                   -- the gateway's id, or 'cloud'
  occurred_at TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  clock_trusted INTEGER NOT NULL,
  data TEXT,                              -- JSON for people and subscribers
  changes TEXT NOT NULL                   -- JSON [{table, id, op, version, fields}]
) STRICT;
CREATE INDEX events_by_lane ON events (lane, seq);

CREATE TABLE event_readers (
  name TEXT PRIMARY KEY,
  since INTEGER NOT NULL,                 -- the head when it was made: earlier entries are not its business
  position INTEGER NOT NULL,              -- everything up to here is done
  skipped INTEGER NOT NULL DEFAULT 0,     -- moved on without delivery (trimmed behind it, discarded by a person)
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The uplink is allowed to be ahead of its position in some lanes.
CREATE TABLE event_lanes (
  reader TEXT NOT NULL,
  lane TEXT NOT NULL,
  position INTEGER NOT NULL,              -- this lane is done up to here
  attempts INTEGER NOT NULL DEFAULT 0,
  next_try_at TEXT,
  last_error TEXT,
  PRIMARY KEY (reader, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_parked (
  reader TEXT NOT NULL,
  seq INTEGER NOT NULL,
  lane TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  state TEXT NOT NULL CONSTRAINT event_parked_state_check CHECK (state IN ('parked', 'blocked_quota', 'retry')),
  reason TEXT NOT NULL,                   -- for a person
  request TEXT,                           -- JSON {method, path, body} that was refused
  parked_at TEXT NOT NULL,
  PRIMARY KEY (reader, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipts (
  id INTEGER PRIMARY KEY,
  space TEXT NOT NULL,                    -- whose key: rest:<key id>, mqtt:<device> ...
  key TEXT NOT NULL,
  request_hash BLOB NOT NULL,
  status INTEGER NOT NULL,
  answer TEXT NOT NULL,                   -- JSON, the `data` of the answer
  head INTEGER NOT NULL,                  -- the journal's head when it was written: kept while that is unsent
  recorded_at TEXT NOT NULL,
  UNIQUE (space, key)
) STRICT;
