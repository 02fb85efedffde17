-- What was deleted, for longer than the journal tells it: a gateway that was away has to learn that a row is gone.

CREATE TABLE tombstones (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  row_version INTEGER NOT NULL,
  cell_id TEXT,                           -- whose keys are told; null: everybody's, empty: only those for all cells
  deleted_at TEXT NOT NULL,
  PRIMARY KEY (table_name, row_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_time ON tombstones (deleted_at);
