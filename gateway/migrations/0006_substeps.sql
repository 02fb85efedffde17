-- The steps of an operation, and who is to do what. The columns and the names of the checks are the cloud's.

CREATE TABLE substeps (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id),
  name TEXT NOT NULL,
  icon_name TEXT,
  sequence INTEGER NOT NULL,
  status TEXT NOT NULL DEFAULT 'not_started'
    CONSTRAINT substeps_status_check CHECK (status IN ('not_started', 'in_progress', 'completed', 'blocked')),
  notes TEXT,
  completed_at TEXT,                      -- both of them only while it is completed
  completed_by TEXT REFERENCES profiles (id),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX substeps_by_operation ON substeps (operation_id, sequence);
CREATE INDEX substeps_by_sequence ON substeps (sequence, id);

CREATE TABLE assignments (
  id TEXT PRIMARY KEY,
  job_id TEXT REFERENCES jobs (id),
  part_id TEXT REFERENCES parts (id),
  operator_id TEXT REFERENCES profiles (id),
  shop_floor_operator_id TEXT REFERENCES operators (id),
  assigned_by TEXT NOT NULL REFERENCES profiles (id),
  status TEXT NOT NULL DEFAULT 'assigned'
    CONSTRAINT assignments_status_check CHECK (status IN ('assigned', 'accepted', 'in_progress', 'completed')),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1,
  CONSTRAINT check_operator_assigned CHECK (operator_id IS NOT NULL OR shop_floor_operator_id IS NOT NULL)
) STRICT;
CREATE INDEX assignments_by_created ON assignments (created_at, id);
CREATE INDEX assignments_by_operator ON assignments (operator_id, status);
CREATE INDEX assignments_by_shop_floor_operator ON assignments (shop_floor_operator_id, status);
CREATE INDEX assignments_by_job ON assignments (job_id);
CREATE INDEX assignments_by_part ON assignments (part_id);

-- Is a tool needed by any work?
CREATE INDEX operation_resources_by_resource ON operation_resources (resource_id);
