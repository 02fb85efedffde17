-- What we know of the other side.

CREATE TABLE cloud_rows (
  table_name TEXT NOT NULL,
  id TEXT NOT NULL,                       -- the cloud's id; ours is the same, but for run segments of a paused time entry
  base TEXT NOT NULL DEFAULT '{}',        -- JSON, the cloud's columns as last seen or confirmed
  written TEXT NOT NULL DEFAULT '[]',     -- JSON, columns that we have ever changed there: what a settle pass repeats
  lane TEXT NOT NULL DEFAULT '',          -- who sends it: only that lane may settle it
  attempted TEXT,                         -- JSON, the body of a create whose outcome is not known
  unsettled_until TEXT,                   -- a request that nobody answered may still run until then
  deleted INTEGER NOT NULL DEFAULT 0,     -- by us; a late create of ours could bring it back
  missed INTEGER NOT NULL DEFAULT 0,      -- complete scans in a row without it
  seen_at TEXT NOT NULL,
  PRIMARY KEY (table_name, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX cloud_rows_unsettled ON cloud_rows (unsettled_until) WHERE unsettled_until IS NOT NULL;

CREATE TABLE cloud_conflicts (
  id TEXT PRIMARY KEY,
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  field TEXT NOT NULL,
  local TEXT,                             -- JSON, our value
  cloud TEXT,                             -- JSON, theirs
  reason TEXT NOT NULL,                   -- for a person
  resolution TEXT CONSTRAINT cloud_conflicts_resolution_check CHECK (resolution IN ('local', 'cloud', 'dropped')),  -- null: open
  resolved_by TEXT,                       -- 'rule' or who
  found_at TEXT NOT NULL,
  resolved_at TEXT
) STRICT;
CREATE INDEX cloud_conflicts_by_row ON cloud_conflicts (table_name, row_id);
CREATE INDEX cloud_conflicts_open ON cloud_conflicts (found_at) WHERE resolution IS NULL;
