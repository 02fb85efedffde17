-- What the Unified Namespace has shown, so that it can be taken back.

CREATE TABLE uns_cells (
  cell_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,                     -- the name that the slug was made of
  slug TEXT NOT NULL UNIQUE               -- its topic level: kept until the cell is renamed
) STRICT, WITHOUT ROWID;

CREATE TABLE uns_retained (
  topic TEXT PRIMARY KEY,
  job_id TEXT,                            -- of operations and jobs
  cell_id TEXT                            -- of operations and cells
) STRICT, WITHOUT ROWID;
CREATE INDEX uns_retained_by_job ON uns_retained (job_id);
CREATE INDEX uns_retained_by_cell ON uns_retained (cell_id);
