-- The work of the cells: what is planned, what was done. Columns and words are the cloud's; `row_version` counts changes.
-- Instants are UTC ISO text, durations are seconds (`_s`), the cloud's minutes are made when a row is shown.
-- ANY keeps a number as it was given (8 stays 8, 8.5 stays 8.5). JSON is text.
-- A row that is marked as deleted holds no name: its number may be given again.

CREATE TABLE gateway_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  key_hash TEXT NOT NULL UNIQUE,          -- SHA-256 of the whole key, hex
  key_prefix TEXT NOT NULL,               -- its first 12 characters
  scope TEXT NOT NULL CONSTRAINT api_keys_scope_check CHECK (scope IN ('read', 'operate', 'plan', 'admin')),
  cells TEXT,                             -- JSON list of cell ids; null: every cell
  operator_id TEXT,                       -- profile that rows are booked on when a request names none
  active INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  last_used_at TEXT
) STRICT;

CREATE TABLE profiles (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL CONSTRAINT profiles_tenant_username_key UNIQUE,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL DEFAULT '',
  role TEXT NOT NULL DEFAULT 'operator' CONSTRAINT profiles_role_check CHECK (role IN ('operator', 'admin')),
  active INTEGER NOT NULL DEFAULT 1,
  is_machine INTEGER NOT NULL DEFAULT 0,
  employee_id TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE operators (
  id TEXT PRIMARY KEY,
  employee_id TEXT NOT NULL CONSTRAINT operators_tenant_id_employee_id_key UNIQUE,
  full_name TEXT NOT NULL,
  active INTEGER NOT NULL DEFAULT 1,
  created_by TEXT REFERENCES profiles (id),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE cells (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT,
  color TEXT,
  image_url TEXT,
  sequence INTEGER NOT NULL,
  active INTEGER NOT NULL DEFAULT 1,
  wip_limit INTEGER,
  wip_warning_threshold INTEGER,
  enforce_wip_limit INTEGER NOT NULL DEFAULT 0,
  show_capacity_warning INTEGER NOT NULL DEFAULT 1,
  icon_name TEXT,
  capacity_hours_per_day ANY DEFAULT 8,
  external_id TEXT,
  external_source TEXT,
  synced_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  deleted_by TEXT,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX idx_cells_external_sync ON cells (external_source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX cells_by_name ON cells (name);

CREATE TABLE resources (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  description TEXT,
  identifier TEXT,
  location TEXT,
  status TEXT DEFAULT 'available',
  metadata TEXT,
  active INTEGER NOT NULL DEFAULT 1,
  external_id TEXT,
  external_source TEXT,
  synced_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  deleted_by TEXT,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX resources_tenant_id_name_key ON resources (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_resources_external_sync ON resources (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE materials (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL CONSTRAINT materials_tenant_id_name_key UNIQUE,
  description TEXT,
  color TEXT,
  active INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE scrap_reasons (
  id TEXT PRIMARY KEY,
  code TEXT NOT NULL CONSTRAINT scrap_reasons_tenant_id_code_key UNIQUE,
  description TEXT NOT NULL,
  category TEXT NOT NULL CONSTRAINT scrap_reasons_category_check
    CHECK (category IN ('material', 'process', 'equipment', 'operator', 'design', 'other')),
  active INTEGER NOT NULL DEFAULT 1,
  metadata TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE substep_templates (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL CONSTRAINT unique_template_name_per_tenant UNIQUE,
  description TEXT,
  operation_type TEXT,
  is_global INTEGER NOT NULL DEFAULT 0,
  created_by TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE substep_template_items (
  id TEXT PRIMARY KEY,
  template_id TEXT NOT NULL REFERENCES substep_templates (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  notes TEXT,
  sequence INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1,
  CONSTRAINT unique_sequence_per_template UNIQUE (template_id, sequence)
) STRICT;

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  job_number TEXT NOT NULL,
  customer TEXT,
  due_date TEXT,
  due_date_override TEXT,
  status TEXT NOT NULL DEFAULT 'not_started'
    CONSTRAINT jobs_status_check CHECK (status IN ('not_started', 'in_progress', 'on_hold', 'completed')),
  priority INTEGER,
  current_cell_id TEXT REFERENCES cells (id),
  notes TEXT,
  metadata TEXT,
  delivery_address TEXT,
  delivery_city TEXT,
  delivery_postal_code TEXT,
  delivery_country TEXT DEFAULT 'NL',
  delivery_lat ANY,
  delivery_lng ANY,
  total_weight_kg ANY,
  total_volume_m3 ANY,
  package_count INTEGER DEFAULT 1,
  started_at TEXT,
  paused_at TEXT,
  resumed_at TEXT,
  completed_at TEXT,
  moved_at TEXT,                          -- when its state last changed: a start after a hold leaves no other stamp
  actual_duration_s INTEGER,
  external_id TEXT,
  external_source TEXT,
  synced_at TEXT,
  sync_hash TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  deleted_by TEXT,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX jobs_tenant_id_job_number_key ON jobs (job_number) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_jobs_external_sync ON jobs (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX jobs_by_created ON jobs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_by_status ON jobs (status, created_at) WHERE deleted_at IS NULL;

CREATE TABLE parts (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  parent_part_id TEXT REFERENCES parts (id),
  part_number TEXT NOT NULL,
  material TEXT NOT NULL,
  quantity INTEGER NOT NULL DEFAULT 1,
  status TEXT NOT NULL DEFAULT 'not_started'
    CONSTRAINT parts_status_check CHECK (status IN ('not_started', 'in_progress', 'on_hold', 'completed')),
  current_cell_id TEXT REFERENCES cells (id),
  file_paths TEXT,
  image_paths TEXT NOT NULL DEFAULT '[]',
  notes TEXT,
  metadata TEXT,
  material_lot TEXT,
  material_supplier TEXT,
  material_cert_number TEXT,
  weight_kg ANY,
  length_mm ANY,
  width_mm ANY,
  height_mm ANY,
  drawing_no TEXT,
  cnc_program_name TEXT,
  is_bullet_card INTEGER NOT NULL DEFAULT 0,
  extra TEXT,                             -- documented fields without a column (material_id, drawing_url ...), JSON
  external_id TEXT,
  external_source TEXT,
  synced_at TEXT,
  sync_hash TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  deleted_by TEXT,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX parts_tenant_id_part_number_key ON parts (part_number) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_parts_external_sync ON parts (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX parts_by_job ON parts (job_id);
CREATE INDEX parts_by_created ON parts (created_at, id) WHERE deleted_at IS NULL;

CREATE TABLE operations (
  id TEXT PRIMARY KEY,
  part_id TEXT NOT NULL REFERENCES parts (id),
  cell_id TEXT NOT NULL REFERENCES cells (id),
  assigned_operator_id TEXT REFERENCES profiles (id),
  operation_name TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  estimated_time INTEGER NOT NULL DEFAULT 0,  -- minutes, as planned in the cloud
  actual_time_s INTEGER NOT NULL DEFAULT 0,   -- always the sum over its time entries, never counted up
  status TEXT NOT NULL DEFAULT 'not_started'
    CONSTRAINT operations_status_check CHECK (status IN ('not_started', 'in_progress', 'on_hold', 'completed')),
  status_before_hold TEXT,
  completion_percentage INTEGER NOT NULL DEFAULT 0
    CONSTRAINT operations_percentage_check CHECK (completion_percentage BETWEEN 0 AND 100),
  notes TEXT,
  metadata TEXT,
  icon_name TEXT,
  setup_time ANY DEFAULT 0,
  run_time_per_unit ANY DEFAULT 0,
  wait_time ANY DEFAULT 0,
  changeover_time ANY DEFAULT 0,
  planned_start TEXT,
  planned_end TEXT,
  started_at TEXT,
  paused_at TEXT,
  resumed_at TEXT,
  completed_at TEXT,
  moved_at TEXT,                          -- when its state last changed: a start after a hold leaves no other stamp
  external_id TEXT,
  external_source TEXT,
  synced_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  deleted_by TEXT,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX idx_operations_external_sync ON operations (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX operations_by_part ON operations (part_id, sequence);
CREATE INDEX operations_by_cell ON operations (cell_id, status) WHERE deleted_at IS NULL;

CREATE TABLE operation_resources (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id),
  resource_id TEXT NOT NULL REFERENCES resources (id),
  quantity ANY NOT NULL DEFAULT 1,
  notes TEXT,
  created_at TEXT NOT NULL,
  CONSTRAINT operation_resources_operation_id_resource_id_key UNIQUE (operation_id, resource_id)
) STRICT;

CREATE TABLE time_entries (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id),
  operator_id TEXT NOT NULL REFERENCES profiles (id),
  time_type TEXT NOT NULL DEFAULT 'run' CONSTRAINT time_entries_time_type_check
    CHECK (time_type IN ('setup', 'run', 'rework', 'wait', 'breakdown')),
  start_time TEXT NOT NULL,
  end_time TEXT,
  duration_s INTEGER,                     -- net of pauses; null while open
  is_paused INTEGER NOT NULL DEFAULT 0,
  notes TEXT,
  created_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX time_entries_by_operation ON time_entries (operation_id);
CREATE INDEX time_entries_by_start ON time_entries (start_time);
CREATE INDEX time_entries_open ON time_entries (operator_id) WHERE end_time IS NULL;

CREATE TABLE time_entry_pauses (
  id TEXT PRIMARY KEY,
  time_entry_id TEXT NOT NULL REFERENCES time_entries (id) ON DELETE CASCADE,
  paused_at TEXT NOT NULL,
  resumed_at TEXT,
  duration INTEGER,                       -- seconds, as in the cloud
  segment_id TEXT NOT NULL,               -- the cloud's entry for the run after this pause: it cannot hold pauses
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX time_entry_pauses_by_entry ON time_entry_pauses (time_entry_id);

CREATE TABLE operation_quantities (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id),
  recorded_by TEXT REFERENCES profiles (id),
  quantity_produced INTEGER NOT NULL DEFAULT 0,
  quantity_good INTEGER NOT NULL DEFAULT 0 CONSTRAINT operation_quantities_quantity_good_check CHECK (quantity_good >= 0),
  quantity_scrap INTEGER NOT NULL DEFAULT 0 CONSTRAINT operation_quantities_quantity_scrap_check CHECK (quantity_scrap >= 0),
  quantity_rework INTEGER NOT NULL DEFAULT 0 CONSTRAINT operation_quantities_quantity_rework_check CHECK (quantity_rework >= 0),
  scrap_reason_id TEXT REFERENCES scrap_reasons (id),
  material_lot TEXT,
  material_supplier TEXT,
  material_cert_number TEXT,
  recorded_at TEXT NOT NULL,
  notes TEXT,
  metadata TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1,
  CONSTRAINT operation_quantities_check CHECK (quantity_produced = quantity_good + quantity_scrap + quantity_rework)
) STRICT;
CREATE INDEX operation_quantities_by_operation ON operation_quantities (operation_id);
CREATE INDEX operation_quantities_by_recorded ON operation_quantities (recorded_at);

CREATE TABLE operation_quantity_scrap_reasons (
  id TEXT PRIMARY KEY,
  operation_quantity_id TEXT NOT NULL REFERENCES operation_quantities (id) ON DELETE CASCADE,
  scrap_reason_id TEXT NOT NULL REFERENCES scrap_reasons (id),
  quantity INTEGER NOT NULL DEFAULT 1 CONSTRAINT operation_quantity_scrap_reasons_quantity_check CHECK (quantity >= 1),
  notes TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (operation_quantity_id, scrap_reason_id)
) STRICT;
CREATE INDEX operation_quantity_scrap_reasons_by_reason ON operation_quantity_scrap_reasons (scrap_reason_id);
