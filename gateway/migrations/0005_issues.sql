-- Issues and non-conformance reports; what issues are about, as a list that is only kept.

CREATE TABLE issues (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id),
  title TEXT,                             -- the cloud's may be without one
  description TEXT NOT NULL,
  severity TEXT NOT NULL DEFAULT 'medium'
    CONSTRAINT issues_severity_check CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  status TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT issues_status_check CHECK (status IN ('pending', 'approved', 'rejected', 'closed')),
  issue_type TEXT NOT NULL DEFAULT 'general' CONSTRAINT issues_issue_type_check CHECK (issue_type IN ('general', 'ncr')),
  ncr_number TEXT CONSTRAINT issues_ncr_number_key UNIQUE,
  ncr_category TEXT CONSTRAINT issues_ncr_category_check
    CHECK (ncr_category IN ('material_defect', 'dimensional', 'surface_finish', 'process_error', 'other')),
  disposition TEXT CONSTRAINT issues_disposition_check
    CHECK (disposition IN ('scrap', 'rework', 'use_as_is', 'return_to_supplier')),
  affected_quantity INTEGER,
  causes_standstill INTEGER NOT NULL DEFAULT 0,
  verification_required INTEGER DEFAULT 0,
  root_cause TEXT,
  corrective_action TEXT,
  preventive_action TEXT,
  resolution_notes TEXT,
  image_paths TEXT,
  created_by TEXT REFERENCES profiles (id),
  reported_by_id TEXT REFERENCES profiles (id),
  reviewed_by TEXT REFERENCES profiles (id),
  reviewed_at TEXT,
  resolved_by_id TEXT REFERENCES profiles (id),
  verified_by_id TEXT REFERENCES profiles (id),
  verified_at TEXT,
  current_cell_id TEXT REFERENCES cells (id),
  intended_next_cell_id TEXT REFERENCES cells (id),
  metadata TEXT NOT NULL DEFAULT '{}',    -- words that the cloud has no value for, as they were given
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX issues_by_operation ON issues (operation_id);
CREATE INDEX issues_by_created ON issues (created_at, id);
CREATE INDEX issues_by_status ON issues (status, created_at);
CREATE INDEX issues_standstill ON issues (operation_id) WHERE status = 'pending' AND causes_standstill = 1;

CREATE TABLE issue_categories (
  id TEXT PRIMARY KEY,
  code TEXT NOT NULL CONSTRAINT issue_categories_tenant_id_code_key UNIQUE,
  description TEXT NOT NULL,
  severity_default TEXT DEFAULT 'medium' CONSTRAINT issue_categories_severity_default_check
    CHECK (severity_default IN ('low', 'medium', 'high', 'critical')),
  active INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
