-- Rows that were changed here and at the hub at once: asked for again when ours is sent, whoever was switched off meanwhile.

CREATE TABLE hub_doubts (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  PRIMARY KEY (table_name, row_id)
) STRICT, WITHOUT ROWID;
