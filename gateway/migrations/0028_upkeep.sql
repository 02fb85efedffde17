-- The journal is chained: what stood in it cannot be changed unseen. And problems that somebody knows of.

ALTER TABLE events ADD COLUMN hash BLOB;  -- BLAKE2b-256 over the hash of the entry before and this one; null: from before the chain

-- What an entry's hash builds on when the entry before it has been trimmed.
CREATE TABLE event_anchors (
  seq INTEGER PRIMARY KEY,                -- of the entry that is gone
  hash BLOB NOT NULL
) STRICT;

-- The chain begins after what is there already, also where an update was rolled back and is done again.
INSERT OR REPLACE INTO gateway_state (key, value)
VALUES ('journal.chained_after', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0));

CREATE TABLE repairs_ignored (
  problem TEXT PRIMARY KEY,
  until TEXT NOT NULL,
  ignored_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A pause that nobody ended is looked for whenever somebody looks after the box, among all that ever were.
CREATE INDEX time_entry_pauses_open ON time_entry_pauses (paused_at) WHERE resumed_at IS NULL;
