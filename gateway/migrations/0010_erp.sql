-- Records of an ERP: what they were when they were last taken over, and what each request brought.
-- Hashes are compared only with those of the same algorithm: the cloud has two, and forgets which.

ALTER TABLE cells ADD COLUMN sync_hash TEXT;
ALTER TABLE cells ADD COLUMN hash_alg TEXT;
ALTER TABLE resources ADD COLUMN notes TEXT;
ALTER TABLE resources ADD COLUMN sync_hash TEXT;
ALTER TABLE resources ADD COLUMN hash_alg TEXT;
ALTER TABLE jobs ADD COLUMN hash_alg TEXT;
ALTER TABLE parts ADD COLUMN hash_alg TEXT;
ALTER TABLE operations ADD COLUMN sync_hash TEXT;
ALTER TABLE operations ADD COLUMN hash_alg TEXT;

-- As for the other tables: a cell that is marked as deleted holds no external id.
DROP INDEX idx_cells_external_sync;
CREATE UNIQUE INDEX idx_cells_external_sync ON cells (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE sync_imports (
  id TEXT PRIMARY KEY,
  entity_type TEXT NOT NULL,
  operation TEXT NOT NULL DEFAULT 'upsert',
  source TEXT DEFAULT 'api',
  status TEXT DEFAULT 'pending',
  record_count INTEGER DEFAULT 0,
  total_records INTEGER DEFAULT 0,
  created_count INTEGER DEFAULT 0,
  updated_count INTEGER DEFAULT 0,
  skipped_count INTEGER DEFAULT 0,
  error_count INTEGER DEFAULT 0,
  sync_hash TEXT,
  errors TEXT,                            -- JSON, the results that are errors
  metadata TEXT DEFAULT '{}',             -- JSON: idempotency_key, request_id
  started_at TEXT,
  completed_at TEXT,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX sync_imports_by_created ON sync_imports (created_at);
CREATE INDEX sync_imports_by_entity ON sync_imports (entity_type, created_at);
