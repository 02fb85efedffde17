BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'gateway','0001_work','2026-11-24 23:00:25.146270+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'gateway','0002_outbox','2026-11-24 23:00:25.147296+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'gateway','0003_cloud','2026-11-24 23:00:25.148025+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'gateway','0004_uns','2026-11-24 23:00:25.148553+00:00');
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
INSERT INTO "api_keys" VALUES('01930000-0000-7000-8000-00006b657901','first admin','9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08','ery_live_abc','admin',NULL,'01930000-0000-7000-8000-6f7065726101',1,'2026-11-02T07:00:00+00:00',NULL);
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
INSERT INTO "cells" VALUES('01930000-0000-7000-8000-0063656c6c01','Laser',NULL,NULL,NULL,1,1,NULL,NULL,0,1,NULL,7.5,'L1',NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
INSERT INTO "cells" VALUES('01930000-0000-7000-8000-0063656c6c02','Säge',NULL,NULL,NULL,2,1,NULL,NULL,0,1,NULL,8,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00','2026-11-02T07:30:00+00:00',NULL,1);
CREATE TABLE cloud_conflicts (
  id TEXT PRIMARY KEY,
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  field TEXT NOT NULL,
  local TEXT,                             -- JSON, our value
  cloud TEXT,                             -- JSON, theirs
  reason TEXT NOT NULL,                   -- for a person
  resolution TEXT CONSTRAINT cloud_conflicts_resolution_check CHECK (resolution IN ('local', 'cloud', 'dropped')),  -- null: open
  resolved_by TEXT,                       -- 'rule' or who
  found_at TEXT NOT NULL,
  resolved_at TEXT
) STRICT;
INSERT INTO "cloud_conflicts" VALUES('01930000-0000-7000-8000-636f6e666c01','operations','01930000-0000-7000-8000-782d6f706501','status','"on_hold"','"completed"','somebody else completed it',NULL,NULL,'2026-11-02T07:30:00+00:00',NULL);
CREATE TABLE cloud_rows (
  table_name TEXT NOT NULL,
  id TEXT NOT NULL,                       -- the cloud's id; ours is the same, but for run segments of a paused time entry
  base TEXT NOT NULL DEFAULT '{}',        -- JSON, the cloud's columns as last seen or confirmed
  written TEXT NOT NULL DEFAULT '[]',     -- JSON, columns that we have ever changed there: what a settle pass repeats
  lane TEXT NOT NULL DEFAULT '',          -- who sends it: only that lane may settle it
  attempted TEXT,                         -- JSON, the body of a create whose outcome is not known
  unsettled_until TEXT,                   -- a request that nobody answered may still run until then
  deleted INTEGER NOT NULL DEFAULT 0,     -- by us; a late create of ours could bring it back
  missed INTEGER NOT NULL DEFAULT 0,      -- complete scans in a row without it
  seen_at TEXT NOT NULL,
  PRIMARY KEY (table_name, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "cloud_rows" VALUES('operations','01930000-0000-7000-8000-782d6f706501','{"status":"not_started"}','[]','job:01930000-0000-7000-8000-00006a6f6201',NULL,'2026-11-02T07:30:00+00:00',0,0,'2026-11-02T07:00:00+00:00');
CREATE TABLE event_lanes (
  reader TEXT NOT NULL,
  lane TEXT NOT NULL,
  position INTEGER NOT NULL,              -- this lane is done up to here
  attempts INTEGER NOT NULL DEFAULT 0,
  next_try_at TEXT,
  last_error TEXT,
  PRIMARY KEY (reader, lane)
) STRICT, WITHOUT ROWID;
INSERT INTO "event_lanes" VALUES('cloud','job:01930000-0000-7000-8000-00006a6f6201',4,0,NULL,NULL);
CREATE TABLE event_parked (
  reader TEXT NOT NULL,
  seq INTEGER NOT NULL,
  lane TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  state TEXT NOT NULL CONSTRAINT event_parked_state_check CHECK (state IN ('parked', 'blocked_quota', 'retry')),
  reason TEXT NOT NULL,                   -- for a person
  request TEXT,                           -- JSON {method, path, body} that was refused
  parked_at TEXT NOT NULL,
  PRIMARY KEY (reader, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO "event_parked" VALUES('cloud',4,'job:01930000-0000-7000-8000-00006a6f6201','quantity:01930000-0000-7000-8000-7175616e7401','parked','the cloud does not know this operation',NULL,'2026-11-02T07:30:00+00:00');
CREATE TABLE event_readers (
  name TEXT PRIMARY KEY,
  since INTEGER NOT NULL,                 -- the head when it was made: earlier entries are not its business
  position INTEGER NOT NULL,              -- everything up to here is done
  skipped INTEGER NOT NULL DEFAULT 0,     -- moved on without delivery (trimmed behind it, discarded by a person)
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "event_readers" VALUES('cloud',0,3,0,'2026-11-02T07:00:00+00:00');
INSERT INTO "event_readers" VALUES('uns',2,4,0,'2026-11-02T07:00:00+00:00');
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- a journal trimmed empty must not count from 1 again
  id TEXT NOT NULL,
  type TEXT,                              -- null: row changes that nobody subscribes to by name
  lane TEXT NOT NULL,                     -- sending order: the job tree, or the row itself
  aggregate TEXT NOT NULL,                -- what is parked together: one operation, entry, job ...
  origin TEXT NOT NULL,                   -- the gateway's id, or 'cloud'
  occurred_at TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  clock_trusted INTEGER NOT NULL,
  data TEXT,                              -- JSON for people and subscribers
  changes TEXT NOT NULL                   -- JSON [{table, id, op, version, fields}]
) STRICT;
INSERT INTO "events" VALUES(3,'01930000-0000-7000-8000-6576656e7403','operation.started','job:01930000-0000-7000-8000-00006a6f6201','operation:01930000-0000-7000-8000-782d6f706501','gw-a1','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1,'{"operation_id":"01930000-0000-7000-8000-782d6f706501","previous_status":"not_started","new_status":"in_progress"}','[{"table":"operations","id":"01930000-0000-7000-8000-782d6f706501","op":"update","version":2,"fields":["status"]}]');
INSERT INTO "events" VALUES(4,'01930000-0000-7000-8000-6576656e7404',NULL,'job:01930000-0000-7000-8000-00006a6f6201','quantity:01930000-0000-7000-8000-7175616e7401','gw-a1','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1,NULL,'[{"table":"operation_quantities","id":"01930000-0000-7000-8000-7175616e7401","op":"insert","version":1,"fields":null}]');
CREATE TABLE gateway_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "gateway_state" VALUES('device_id','01930000-0000-7000-8000-646576696301');
INSERT INTO "gateway_state" VALUES('epoch','1793602800');
INSERT INTO "gateway_state" VALUES('machine','not-this-one');
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
INSERT INTO "jobs" VALUES('01930000-0000-7000-8000-00006a6f6201','J-1001','Veldkamp',NULL,NULL,'in_progress',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'NL',NULL,NULL,NULL,NULL,1,'2026-11-02T07:00:00+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
INSERT INTO "jobs" VALUES('01930000-0000-7000-8000-00006a6f6202','J-1002',NULL,'2026-12-01',NULL,'not_started',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'NL',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
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
INSERT INTO "materials" VALUES('01930000-0000-7000-8000-6d6174657201','Steel DC01 1.5 mm',NULL,NULL,1,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "operation_quantities" VALUES('01930000-0000-7000-8000-7175616e7401','01930000-0000-7000-8000-782d6f706501','01930000-0000-7000-8000-6f7065726102',7,5,2,0,NULL,NULL,NULL,NULL,'2026-11-02T07:30:00+00:00',NULL,'{}','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
CREATE TABLE operation_quantity_scrap_reasons (
  id TEXT PRIMARY KEY,
  operation_quantity_id TEXT NOT NULL REFERENCES operation_quantities (id) ON DELETE CASCADE,
  scrap_reason_id TEXT NOT NULL REFERENCES scrap_reasons (id),
  quantity INTEGER NOT NULL DEFAULT 1 CONSTRAINT operation_quantity_scrap_reasons_quantity_check CHECK (quantity >= 1),
  notes TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (operation_quantity_id, scrap_reason_id)
) STRICT;
INSERT INTO "operation_quantity_scrap_reasons" VALUES('01930000-0000-7000-8000-000077687901','01930000-0000-7000-8000-7175616e7401','01930000-0000-7000-8000-736372617001',2,NULL,'2026-11-02T07:30:00+00:00');
CREATE TABLE operation_resources (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id),
  resource_id TEXT NOT NULL REFERENCES resources (id),
  quantity ANY NOT NULL DEFAULT 1,
  notes TEXT,
  created_at TEXT NOT NULL,
  CONSTRAINT operation_resources_operation_id_resource_id_key UNIQUE (operation_id, resource_id)
) STRICT;
INSERT INTO "operation_resources" VALUES('01930000-0000-7000-8000-6e6565647301','01930000-0000-7000-8000-782d6f706501','01930000-0000-7000-8000-7265736f7501',1,NULL,'2026-11-02T07:00:00+00:00');
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
INSERT INTO "operations" VALUES('01930000-0000-7000-8000-782d6f706501','01930000-0000-7000-8000-007061727401','01930000-0000-7000-8000-0063656c6c01',NULL,'Laser cutting',1,30,600,'on_hold',NULL,0,NULL,NULL,NULL,0,0,0,0,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:30:00+00:00',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
INSERT INTO "operations" VALUES('01930000-0000-7000-8000-782d6f706502','01930000-0000-7000-8000-007061727401','01930000-0000-7000-8000-0063656c6c01',NULL,'Bending',2,0,0,'not_started',NULL,0,NULL,NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
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
INSERT INTO "operators" VALUES('01930000-0000-7000-8000-68616e647301','17','Otto Operator',1,'01930000-0000-7000-8000-6f7065726101','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "parts" VALUES('01930000-0000-7000-8000-007061727401','01930000-0000-7000-8000-00006a6f6201',NULL,'P-1','Steel',20,'in_progress',NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
INSERT INTO "parts" VALUES('01930000-0000-7000-8000-007061727402','01930000-0000-7000-8000-00006a6f6201','01930000-0000-7000-8000-007061727401','P-1.1','Steel',1,'not_started',NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
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
INSERT INTO "profiles" VALUES('01930000-0000-7000-8000-6f7065726101','otto','Otto Operator','','operator',1,0,'17','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
INSERT INTO "profiles" VALUES('01930000-0000-7000-8000-6f7065726102','laser-1','Laser 1','','operator',1,1,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY,
  space TEXT NOT NULL,                    -- whose key: rest:<key id>, mqtt:<device> ...
  key TEXT NOT NULL,
  request_hash BLOB NOT NULL,
  status INTEGER NOT NULL,
  answer TEXT NOT NULL,                   -- JSON, the `data` of the answer
  head INTEGER NOT NULL,                  -- the journal's head when it was written: kept while that is unsent
  recorded_at TEXT NOT NULL,
  UNIQUE (space, key)
) STRICT;
INSERT INTO "receipts" VALUES(1,'rest:key','station-1/42',X'01010101010101010101010101010101',200,'{"operation":{"status":"in_progress"}}',3,'2026-11-02T07:00:00+00:00');
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
INSERT INTO "resources" VALUES('01930000-0000-7000-8000-7265736f7501','Fixture 4','fixture',NULL,NULL,NULL,'available','{"weight": 12}',1,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1);
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
INSERT INTO "scrap_reasons" VALUES('01930000-0000-7000-8000-736372617001','BURR','Burr on the edge','process',1,'{}','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "substep_template_items" VALUES('01930000-0000-7000-8000-006974656d01','01930000-0000-7000-8000-74656d706c01','Clean the lens',NULL,1,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "substep_templates" VALUES('01930000-0000-7000-8000-74656d706c01','Set up the laser',NULL,NULL,0,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "time_entries" VALUES('01930000-0000-7000-8000-656e74727901','01930000-0000-7000-8000-782d6f706501','01930000-0000-7000-8000-6f7065726101','run','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL,'2026-11-02T07:00:00+00:00',1);
CREATE TABLE time_entry_pauses (
  id TEXT PRIMARY KEY,
  time_entry_id TEXT NOT NULL REFERENCES time_entries (id) ON DELETE CASCADE,
  paused_at TEXT NOT NULL,
  resumed_at TEXT,
  duration INTEGER,                       -- seconds, as in the cloud
  segment_id TEXT NOT NULL,               -- the cloud's entry for the run after this pause: it cannot hold pauses
  created_at TEXT NOT NULL
) STRICT;
INSERT INTO "time_entry_pauses" VALUES('01930000-0000-7000-8000-706175736501','01930000-0000-7000-8000-656e74727901','2026-11-02T07:30:00+00:00',NULL,NULL,'01930000-0000-7000-8000-7365676d6501','2026-11-02T07:30:00+00:00');
CREATE TABLE uns_cells (
  cell_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,                     -- the name that the slug was made of
  slug TEXT NOT NULL UNIQUE               -- its topic level: kept until the cell is renamed
) STRICT, WITHOUT ROWID;
INSERT INTO "uns_cells" VALUES('01930000-0000-7000-8000-0063656c6c01','Laser','laser');
CREATE TABLE uns_retained (
  topic TEXT PRIMARY KEY,
  job_id TEXT,                            -- of operations and jobs
  cell_id TEXT                            -- of operations and cells
) STRICT, WITHOUT ROWID;
INSERT INTO "uns_retained" VALUES('acme/plant1/fabrication/laser/current',NULL,'01930000-0000-7000-8000-0063656c6c01');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX idx_cells_external_sync ON cells (external_source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX cells_by_name ON cells (name);
CREATE UNIQUE INDEX resources_tenant_id_name_key ON resources (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_resources_external_sync ON resources (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX jobs_tenant_id_job_number_key ON jobs (job_number) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_jobs_external_sync ON jobs (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX jobs_by_created ON jobs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_by_status ON jobs (status, created_at) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX parts_tenant_id_part_number_key ON parts (part_number) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_parts_external_sync ON parts (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX parts_by_job ON parts (job_id);
CREATE INDEX parts_by_created ON parts (created_at, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_operations_external_sync ON operations (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX operations_by_part ON operations (part_id, sequence);
CREATE INDEX operations_by_cell ON operations (cell_id, status) WHERE deleted_at IS NULL;
CREATE INDEX time_entries_by_operation ON time_entries (operation_id);
CREATE INDEX time_entries_by_start ON time_entries (start_time);
CREATE INDEX time_entries_open ON time_entries (operator_id) WHERE end_time IS NULL;
CREATE INDEX time_entry_pauses_by_entry ON time_entry_pauses (time_entry_id);
CREATE INDEX operation_quantities_by_operation ON operation_quantities (operation_id);
CREATE INDEX operation_quantities_by_recorded ON operation_quantities (recorded_at);
CREATE INDEX operation_quantity_scrap_reasons_by_reason ON operation_quantity_scrap_reasons (scrap_reason_id);
CREATE INDEX events_by_lane ON events (lane, seq);
CREATE INDEX cloud_rows_unsettled ON cloud_rows (unsettled_until) WHERE unsettled_until IS NOT NULL;
CREATE INDEX cloud_conflicts_by_row ON cloud_conflicts (table_name, row_id);
CREATE INDEX cloud_conflicts_open ON cloud_conflicts (found_at) WHERE resolution IS NULL;
CREATE INDEX uns_retained_by_job ON uns_retained (job_id);
CREATE INDEX uns_retained_by_cell ON uns_retained (cell_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',4);
COMMIT;
PRAGMA user_version=4;
