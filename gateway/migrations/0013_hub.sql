-- Gateways that forward to this one. Of each the highest epoch that it has shown: a lower one is a box that was replaced.

CREATE TABLE hub_gateways (
  id TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  seen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE hub_cells (
  cell_id TEXT PRIMARY KEY,               -- a cell has one gateway
  gateway_id TEXT NOT NULL,
  claimed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hub_cells_by_gateway ON hub_cells (gateway_id);

ALTER TABLE api_keys ADD COLUMN gateway_id TEXT;  -- a key that speaks for this gateway only
