-- Batches: operations that are worked on at once. Columns and words are the cloud's. How many operations are in one is counted
-- when it is shown: such a number cannot be wrong.

CREATE TABLE operation_batches (
  id TEXT PRIMARY KEY,
  batch_number TEXT NOT NULL CONSTRAINT operation_batches_batch_number_tenant_unique UNIQUE,
  batch_type TEXT NOT NULL DEFAULT 'general' CONSTRAINT operation_batches_batch_type_check
    CHECK (batch_type IN ('laser_nesting', 'tube_batch', 'saw_batch', 'finishing_batch', 'general')),
  status TEXT NOT NULL DEFAULT 'draft' CONSTRAINT operation_batches_status_check
    CHECK (status IN ('draft', 'ready', 'in_progress', 'completed', 'cancelled', 'blocked')),
  production_mode TEXT NOT NULL DEFAULT 'manual' CONSTRAINT operation_batches_production_mode_check
    CHECK (production_mode IN ('manual', 'automated')),
  cell_id TEXT NOT NULL REFERENCES cells (id),
  parent_batch_id TEXT REFERENCES operation_batches (id),
  material TEXT,
  thickness_mm ANY,
  notes TEXT,
  nesting_metadata TEXT,
  nesting_image_url TEXT,                 -- path of an object, which begins with the tenant's id
  layout_image_url TEXT,
  estimated_time ANY,                     -- minutes, as planned
  actual_time_s INTEGER,
  material_requirement_metadata TEXT,
  material_requirement_raised INTEGER,
  created_by TEXT REFERENCES profiles (id),
  started_by TEXT REFERENCES profiles (id), -- whose time runs; null while a machine is watched
  completed_by TEXT REFERENCES profiles (id),
  started_at TEXT,
  completed_at TEXT,
  external_id TEXT,
  external_source TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1,
  CONSTRAINT operation_batches_automated_laser_only CHECK (production_mode <> 'automated' OR batch_type = 'laser_nesting')
) STRICT;
CREATE INDEX operation_batches_by_created ON operation_batches (created_at, id);
CREATE INDEX operation_batches_by_status ON operation_batches (status, created_at);
CREATE INDEX operation_batches_by_cell ON operation_batches (cell_id, status);
CREATE INDEX operation_batches_by_parent ON operation_batches (parent_batch_id) WHERE parent_batch_id IS NOT NULL;

CREATE TABLE batch_operations (
  id TEXT PRIMARY KEY,
  batch_id TEXT NOT NULL REFERENCES operation_batches (id) ON DELETE CASCADE,
  operation_id TEXT NOT NULL CONSTRAINT batch_operations_unique UNIQUE REFERENCES operations (id),
  sequence_in_batch INTEGER,
  quantity_in_batch INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX batch_operations_by_batch ON batch_operations (batch_id, sequence_in_batch);

CREATE TABLE batch_requirements (
  id TEXT PRIMARY KEY,
  batch_id TEXT NOT NULL REFERENCES operation_batches (id) ON DELETE CASCADE,
  material_name TEXT NOT NULL,
  quantity INTEGER NOT NULL DEFAULT 0,
  status TEXT DEFAULT 'pending',
  created_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX batch_requirements_by_batch ON batch_requirements (batch_id);
