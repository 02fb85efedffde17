-- Files that gateways below have listed in rows, and whose bytes are not here yet: which row waits for which path.

CREATE TABLE files_to_come (
  path TEXT NOT NULL,
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  gateway_id TEXT NOT NULL,               -- who has the bytes
  sha256 TEXT NOT NULL,                   -- hex
  told_at TEXT NOT NULL,
  PRIMARY KEY (path, table_name, row_id)
) STRICT, WITHOUT ROWID;
