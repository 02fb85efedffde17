-- Rows that the cloud does not show any more: few among very many.
CREATE INDEX cloud_rows_missed ON cloud_rows (table_name, id) WHERE missed > 0;
CREATE INDEX cloud_rows_deleted ON cloud_rows (table_name, id) WHERE deleted = 1;

-- A further state: what waits for a function of the cloud that does not load.
CREATE TABLE event_parked_new (
  reader TEXT NOT NULL,
  seq INTEGER NOT NULL,
  lane TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  state TEXT NOT NULL
    CONSTRAINT event_parked_state_check CHECK (state IN ('parked', 'blocked_quota', 'blocked_function', 'retry')),
  reason TEXT NOT NULL,                   -- for a person
  request TEXT,                           -- JSON {method, path, body} that was refused
  parked_at TEXT NOT NULL,
  PRIMARY KEY (reader, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO event_parked_new SELECT reader, seq, lane, aggregate, state, reason, request, parked_at FROM event_parked;
DROP TABLE event_parked;
ALTER TABLE event_parked_new RENAME TO event_parked;
