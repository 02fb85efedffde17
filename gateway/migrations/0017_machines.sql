-- How each machine stands. `version` grows with every change that is told to others.
CREATE TABLE machine_states (
  id TEXT PRIMARY KEY,                    -- the device
  state TEXT NOT NULL DEFAULT 'unknown',
  raw TEXT,                               -- JSON, as the machine said it
  since TEXT,
  quality TEXT NOT NULL DEFAULT 'bad' CONSTRAINT machine_states_quality_check CHECK (quality IN ('good', 'uncertain', 'bad')),
  online INTEGER,                         -- what the device last said of itself; null: nothing yet
  source_timestamp TEXT,
  received_at TEXT,
  program TEXT,
  parts REAL,                             -- pieces that one run of the program makes
  started_operation_id TEXT,              -- the operation that this device started last
  candidate_state TEXT,                   -- a state that has to last before it counts
  candidate_raw TEXT,
  candidate_since TEXT,
  candidate_due TEXT,
  told_at TEXT,                           -- of the open issue about pieces that nobody works on
  version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

-- The last value of each input: counters, and what is only shown.
CREATE TABLE machine_values (
  device TEXT NOT NULL,
  input TEXT NOT NULL,
  value TEXT NOT NULL,                    -- JSON: a counter may be larger than an integer here
  at TEXT,                                -- by the device's own clock
  unsure INTEGER NOT NULL DEFAULT 0,      -- the machine was offline or silent since
  received_at TEXT NOT NULL,
  PRIMARY KEY (device, input)
) STRICT, WITHOUT ROWID;

-- Pieces that were counted and are not booked yet, each kind of each source in one row.
CREATE TABLE gathered_pieces (
  source TEXT PRIMARY KEY,                -- device/input
  cause TEXT NOT NULL,
  field TEXT NOT NULL
    CONSTRAINT gathered_pieces_field_check CHECK (field IN ('quantity_good', 'quantity_scrap', 'quantity_rework')),
  cells TEXT,                             -- JSON list of ids in which they can have been made; null: anywhere
  operation_id TEXT,                      -- null: nobody knows yet for which operation they are
  recorded_by TEXT,
  pending_millionths INTEGER NOT NULL DEFAULT 0 CONSTRAINT gathered_pieces_pending_check CHECK (pending_millionths >= 0),
  booked_total INTEGER NOT NULL DEFAULT 0,
  dropped_total INTEGER NOT NULL DEFAULT 0,
  counted_at TEXT,                        -- the last of them
  due TEXT                                -- when they are booked at the latest
) STRICT, WITHOUT ROWID;
CREATE INDEX gathered_pieces_by_operation ON gathered_pieces (operation_id) WHERE pending_millionths >= 1000000;

-- Pieces that were counted and are not believed, or more than anybody waits with: a person has to look.
CREATE TABLE machine_quarantines (
  id TEXT PRIMARY KEY,
  device TEXT NOT NULL,
  input TEXT NOT NULL,
  reason TEXT NOT NULL CONSTRAINT machine_quarantines_reason_check CHECK (reason IN ('jump', 'held_too_many')),
  last_value TEXT,
  value TEXT,
  pieces INTEGER NOT NULL,
  cells TEXT,
  found_at TEXT NOT NULL,
  acknowledged_at TEXT,
  acknowledged_by TEXT
) STRICT;
CREATE INDEX machine_quarantines_open ON machine_quarantines (device, input) WHERE acknowledged_at IS NULL;
CREATE INDEX machine_quarantines_old ON machine_quarantines (acknowledged_at) WHERE acknowledged_at IS NOT NULL;

-- Who is logged on at which machine: one person each.
CREATE TABLE machine_badges (
  device TEXT PRIMARY KEY,
  operator_id TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
