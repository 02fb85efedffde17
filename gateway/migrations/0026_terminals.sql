-- Station terminals: which may connect, who is signed in at them, and what people leave each other there. Keys, codes and PINs
-- never stand here themselves: only what they can be compared with.

CREATE TABLE terminals (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  cell_id TEXT,                           -- where it stands; null: in no cell of its own
  key_hash TEXT NOT NULL CONSTRAINT terminals_key_hash_key UNIQUE,  -- SHA-256 of the whole key, hex
  language TEXT,
  theme TEXT,
  about TEXT NOT NULL DEFAULT '{}',       -- JSON: what its browser says of itself
  seen TEXT NOT NULL DEFAULT '{}',        -- JSON: how it last said that it stands
  created_at TEXT NOT NULL,
  last_seen_at TEXT,
  revoked_at TEXT
) STRICT;

-- Codes that a terminal is paired with: used once, for a quarter of an hour.
CREATE TABLE terminal_codes (
  code_hash TEXT PRIMARY KEY,             -- SHA-256, hex
  name TEXT NOT NULL,
  cell_id TEXT,
  language TEXT,
  theme TEXT,
  expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Kept for as long as a tap that was made under them may still arrive.
CREATE TABLE terminal_sessions (
  id TEXT PRIMARY KEY,
  terminal_id TEXT NOT NULL REFERENCES terminals (id),
  operator_id TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT
) STRICT;
CREATE INDEX terminal_sessions_by_terminal ON terminal_sessions (terminal_id, started_at);
CREATE INDEX terminal_sessions_by_start ON terminal_sessions (started_at);

CREATE TABLE terminal_pins (
  operator_id TEXT PRIMARY KEY,
  box TEXT NOT NULL,                      -- which box made it: on another one it opens nothing
  salt BLOB NOT NULL,
  verifier BLOB NOT NULL,                 -- scrypt of the PIN and a key of this box
  wrong INTEGER NOT NULL DEFAULT 0,       -- attempts since the last right one
  locked_until TEXT,
  set_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What one shift leaves the next: the last remark about an operation. The cloud has no place for it.
CREATE TABLE operation_handoffs (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL CONSTRAINT operation_handoffs_operation_id_key UNIQUE REFERENCES operations (id),
  text TEXT NOT NULL,
  written_by TEXT REFERENCES profiles (id),
  written_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

-- A drawing's number is scanned.
CREATE INDEX parts_by_drawing ON parts (drawing_no) WHERE drawing_no IS NOT NULL AND deleted_at IS NULL;
