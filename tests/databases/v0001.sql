BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'gateway','0001_work','2026-11-30 23:19:18.003487+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'gateway','0002_outbox','2026-11-30 23:19:18.004169+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'gateway','0003_cloud','2026-11-30 23:19:18.004612+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'gateway','0004_uns','2026-11-30 23:19:18.010594+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'gateway','0005_issues','2026-11-30 23:19:18.011373+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'gateway','0006_substeps','2026-11-30 23:19:18.012112+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'gateway','0007_files','2026-11-30 23:19:18.012459+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'gateway','0008_webhooks','2026-11-30 23:19:18.024973+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'gateway','0009_batches','2026-11-30 23:19:18.025829+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'gateway','0010_erp','2026-11-30 23:19:18.226483+00:00');
INSERT INTO "_sqlite_migrations" VALUES(11,'gateway','0011_lists','2026-11-30 23:19:18.227809+00:00');
INSERT INTO "_sqlite_migrations" VALUES(12,'gateway','0012_uploaders','2026-11-30 23:19:18.228790+00:00');
INSERT INTO "_sqlite_migrations" VALUES(13,'gateway','0013_hub','2026-11-30 23:19:18.229891+00:00');
INSERT INTO "_sqlite_migrations" VALUES(14,'gateway','0014_conflicts','2026-11-30 23:19:18.267324+00:00');
INSERT INTO "_sqlite_migrations" VALUES(15,'gateway','0015_hub_received','2026-11-30 23:19:18.267653+00:00');
INSERT INTO "_sqlite_migrations" VALUES(16,'gateway','0016_cloud_gone','2026-11-30 23:19:18.295880+00:00');
INSERT INTO "_sqlite_migrations" VALUES(17,'gateway','0017_machines','2026-11-30 23:19:18.297518+00:00');
INSERT INTO "_sqlite_migrations" VALUES(18,'gateway','0018_publishers','2026-11-30 23:19:18.298153+00:00');
INSERT INTO "_sqlite_migrations" VALUES(19,'gateway','0019_files_below','2026-11-30 23:19:18.298583+00:00');
INSERT INTO "_sqlite_migrations" VALUES(20,'gateway','0020_tombstones','2026-11-30 23:19:18.298915+00:00');
INSERT INTO "_sqlite_migrations" VALUES(21,'gateway','0021_webhook_deliveries','2026-11-30 23:19:18.301057+00:00');
INSERT INTO "_sqlite_migrations" VALUES(22,'gateway','0022_replays','2026-11-30 23:19:18.303929+00:00');
INSERT INTO "_sqlite_migrations" VALUES(23,'gateway','0023_hub_doubts','2026-11-30 23:19:18.304238+00:00');
INSERT INTO "_sqlite_migrations" VALUES(24,'gateway','0024_mcp','2026-11-30 23:19:18.305284+00:00');
INSERT INTO "_sqlite_migrations" VALUES(25,'gateway','0025_boards','2026-11-30 23:19:18.305828+00:00');
INSERT INTO "_sqlite_migrations" VALUES(26,'gateway','0026_terminals','2026-11-30 23:19:18.307478+00:00');
INSERT INTO "_sqlite_migrations" VALUES(27,'gateway','0027_operations_page','2026-11-30 23:19:18.310918+00:00');
INSERT INTO "_sqlite_migrations" VALUES(28,'gateway','0028_upkeep','2026-11-30 23:19:18.313294+00:00');
INSERT INTO "_sqlite_migrations" VALUES(29,'gateway','0029_followed','2026-11-30 23:19:18.314923+00:00');
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
, created_by TEXT, origin TEXT NOT NULL DEFAULT 'local'
  CONSTRAINT api_keys_origin_check CHECK (origin IN ('local', 'cloud')), verified_at TEXT, refused_at TEXT, gateway_id TEXT) STRICT;
INSERT INTO "api_keys" VALUES('01930000-0000-7000-8000-00006b657901','first admin','9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08','ery_live_abc','admin',NULL,'01930000-0000-7000-8000-6f7065726101',1,'2026-11-02T07:00:00+00:00',NULL,NULL,'local',NULL,NULL,NULL);
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
INSERT INTO "assignments" VALUES('01930000-0000-7000-8000-617373696701','01930000-0000-7000-8000-00006a6f6201',NULL,'01930000-0000-7000-8000-6f7065726101',NULL,'01930000-0000-7000-8000-6f7065726101','assigned','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "batch_operations" VALUES('01930000-0000-7000-8000-696e2d626101','01930000-0000-7000-8000-792d62617401','01930000-0000-7000-8000-782d6f706501',1,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
CREATE TABLE batch_requirements (
  id TEXT PRIMARY KEY,
  batch_id TEXT NOT NULL REFERENCES operation_batches (id) ON DELETE CASCADE,
  material_name TEXT NOT NULL,
  quantity INTEGER NOT NULL DEFAULT 0,
  status TEXT DEFAULT 'pending',
  created_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO "batch_requirements" VALUES('01930000-0000-7000-8000-726571756901','01930000-0000-7000-8000-792d62617401','Steel',2,'pending','2026-11-02T07:00:00+00:00',1);
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
, sync_hash TEXT, hash_alg TEXT) STRICT;
INSERT INTO "cells" VALUES('01930000-0000-7000-8000-0063656c6c01','Laser',NULL,NULL,NULL,1,1,NULL,NULL,0,1,NULL,7.5,'L1',NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL,NULL);
INSERT INTO "cells" VALUES('01930000-0000-7000-8000-0063656c6c02','Säge',NULL,NULL,NULL,2,1,NULL,NULL,0,1,NULL,8,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00','2026-11-02T07:30:00+00:00',NULL,1,NULL,NULL);
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
, row_version INTEGER NOT NULL DEFAULT 1) STRICT;
INSERT INTO "cloud_conflicts" VALUES('01930000-0000-7000-8000-636f6e666c01','operations','01930000-0000-7000-8000-782d6f706501','status','"on_hold"','"completed"','somebody else completed it',NULL,NULL,'2026-11-02T07:30:00+00:00',NULL,1);
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
CREATE TABLE event_anchors (
  seq INTEGER PRIMARY KEY,                -- of the entry that is gone
  hash BLOB NOT NULL
) STRICT;
INSERT INTO "event_anchors" VALUES(2,X'1F1E1D1C1B1A191817161514131211100F0E0D0C0B0A09080706050403020100');
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
CREATE TABLE "event_parked" (
  reader TEXT NOT NULL,
  seq INTEGER NOT NULL,
  lane TEXT NOT NULL,
  aggregate TEXT NOT NULL,
  state TEXT NOT NULL
    CONSTRAINT event_parked_state_check CHECK (state IN ('parked', 'blocked_quota', 'blocked_function', 'retry')),
  reason TEXT NOT NULL,                   -- for a person
  request TEXT,                           -- JSON {method, path, body} that was refused
  parked_at TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (reader, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO "event_parked" VALUES('cloud',4,'job:01930000-0000-7000-8000-00006a6f6201','quantity:01930000-0000-7000-8000-7175616e7401','parked','the cloud does not know this operation',NULL,'2026-11-02T07:30:00+00:00',0);
CREATE TABLE event_readers (
  name TEXT PRIMARY KEY,
  since INTEGER NOT NULL,                 -- the head when it was made: earlier entries are not its business
  position INTEGER NOT NULL,              -- everything up to here is done
  skipped INTEGER NOT NULL DEFAULT 0,     -- moved on without delivery (trimmed behind it, discarded by a person)
  created_at TEXT NOT NULL
, failures INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO "event_readers" VALUES('cloud',0,3,0,'2026-11-02T07:00:00+00:00',0);
INSERT INTO "event_readers" VALUES('uns',2,4,0,'2026-11-02T07:00:00+00:00',0);
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
, hash BLOB, request_id TEXT) STRICT;
INSERT INTO "events" VALUES(3,'01930000-0000-7000-8000-6576656e7403','operation.started','job:01930000-0000-7000-8000-00006a6f6201','operation:01930000-0000-7000-8000-782d6f706501','gw-a1','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1,'{"operation_id":"01930000-0000-7000-8000-782d6f706501","previous_status":"not_started","new_status":"in_progress"}','[{"table":"operations","id":"01930000-0000-7000-8000-782d6f706501","op":"update","version":2,"fields":["status"]}]',X'9D98AA4A040F34C2C3AE0F113CFF00DA8E1115DC927A0335E2AD06EEB4882C75',NULL);
INSERT INTO "events" VALUES(4,'01930000-0000-7000-8000-6576656e7404',NULL,'job:01930000-0000-7000-8000-00006a6f6201','quantity:01930000-0000-7000-8000-7175616e7401','gw-a1','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1,NULL,'[{"table":"operation_quantities","id":"01930000-0000-7000-8000-7175616e7401","op":"insert","version":1,"fields":null}]',X'CDCE68B34259A2A615F393BFE4729E7BA80BCC6B7A3071A3DD3DE7F903409039',NULL);
CREATE TABLE file_offers (
  nonce TEXT PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  expires_at TEXT NOT NULL,
  used_at TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO "file_offers" VALUES('n1','tenant/issues/other.png','2026-11-02T07:30:00+00:00',NULL);
CREATE TABLE files (
  id TEXT PRIMARY KEY,
  bucket TEXT NOT NULL CONSTRAINT files_bucket_check CHECK (bucket IN ('parts-images', 'issues', 'parts-cad', 'batch-images')),
  path TEXT NOT NULL CONSTRAINT files_path_key UNIQUE,  -- as clients know it, in the cloud's form; never a name on the disk
  content_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL CONSTRAINT files_size_check CHECK (size_bytes > 0),
  sha256 TEXT NOT NULL,                   -- hex
  created_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
, uploaded_by TEXT) STRICT;
INSERT INTO "files" VALUES('01930000-0000-7000-8000-0066696c6501','issues','tenant/issues/burr.png','image/png',3,'2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae','2026-11-02T07:30:00+00:00',1,'rest:key');
CREATE TABLE files_to_come (
  path TEXT NOT NULL,
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  gateway_id TEXT NOT NULL,               -- who has the bytes
  sha256 TEXT NOT NULL,                   -- hex
  told_at TEXT NOT NULL,
  PRIMARY KEY (path, table_name, row_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "files_to_come" VALUES('tenant/issues/below.png','issues','01930000-0000-7000-8000-697373756501','gw-b1','2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae','2026-11-02T07:00:00+00:00');
CREATE TABLE gateway_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "gateway_state" VALUES('device_id','01930000-0000-7000-8000-646576696301');
INSERT INTO "gateway_state" VALUES('epoch','1793602800');
INSERT INTO "gateway_state" VALUES('journal.chained_after','0');
INSERT INTO "gateway_state" VALUES('machine','not-this-one');
CREATE TABLE gathered_pieces (
  source TEXT PRIMARY KEY,                -- device/input
  cause TEXT NOT NULL,
  field TEXT NOT NULL
    CONSTRAINT gathered_pieces_field_check CHECK (field IN ('quantity_good', 'quantity_scrap', 'quantity_rework')),
  cells TEXT,                             -- JSON list of ids in which they can have been made; null: anywhere
  operation_id TEXT,                      -- null: nobody knows yet for which operation they are
  recorded_by TEXT,
  pending_millionths INTEGER NOT NULL DEFAULT 0 CONSTRAINT gathered_pieces_pending_check CHECK (pending_millionths >= 0),
  booked_total INTEGER NOT NULL DEFAULT 0,
  dropped_total INTEGER NOT NULL DEFAULT 0,
  counted_at TEXT,                        -- the last of them
  due TEXT                                -- when they are booked at the latest
) STRICT, WITHOUT ROWID;
INSERT INTO "gathered_pieces" VALUES('laser-1/good','counter','quantity_good',NULL,'01930000-0000-7000-8000-782d6f706501',NULL,500000,7,0,NULL,NULL);
CREATE TABLE hub_cells (
  cell_id TEXT PRIMARY KEY,               -- a cell has one gateway
  gateway_id TEXT NOT NULL,
  claimed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "hub_cells" VALUES('01930000-0000-7000-8000-0063656c6c01','gw-b1','2026-11-02T07:00:00+00:00');
CREATE TABLE hub_doubts (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  PRIMARY KEY (table_name, row_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "hub_doubts" VALUES('operations','01930000-0000-7000-8000-782d6f706501');
CREATE TABLE hub_gateways (
  id TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  seen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "hub_gateways" VALUES('gw-b1',1793602700,'2026-11-02T07:30:00+00:00');
CREATE TABLE hub_received (
  gateway_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  lane TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (gateway_id, epoch, lane)
) STRICT, WITHOUT ROWID;
INSERT INTO "hub_received" VALUES('gw-b1',1793602700,'job:01930000-0000-7000-8000-00006a6f6201',17);
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
INSERT INTO "issue_categories" VALUES('01930000-0000-7000-8000-636174656701','SURF','Surface','medium',1,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "issues" VALUES('01930000-0000-7000-8000-697373756501','01930000-0000-7000-8000-782d6f706501','Burr','Burr on the long side','high','approved','ncr','NCR-2026-0001',NULL,'rework',NULL,1,0,NULL,NULL,NULL,NULL,NULL,'01930000-0000-7000-8000-6f7065726101',NULL,NULL,NULL,NULL,NULL,NULL,'01930000-0000-7000-8000-0063656c6c01',NULL,'{}','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
, hash_alg TEXT) STRICT;
INSERT INTO "jobs" VALUES('01930000-0000-7000-8000-00006a6f6201','J-1001','Veldkamp',NULL,NULL,'in_progress',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'NL',NULL,NULL,NULL,NULL,1,'2026-11-02T07:00:00+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL);
INSERT INTO "jobs" VALUES('01930000-0000-7000-8000-00006a6f6202','J-1002',NULL,'2026-12-01',NULL,'not_started',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'NL',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL);
CREATE TABLE machine_badges (
  device TEXT PRIMARY KEY,
  operator_id TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "machine_badges" VALUES('laser-1','01930000-0000-7000-8000-6f7065726101','2026-11-02T07:00:00+00:00');
CREATE TABLE machine_quarantines (
  id TEXT PRIMARY KEY,
  device TEXT NOT NULL,
  input TEXT NOT NULL,
  reason TEXT NOT NULL CONSTRAINT machine_quarantines_reason_check CHECK (reason IN ('jump', 'held_too_many')),
  last_value TEXT,
  value TEXT,
  pieces INTEGER NOT NULL,
  cells TEXT,
  found_at TEXT NOT NULL,
  acknowledged_at TEXT,
  acknowledged_by TEXT
) STRICT;
INSERT INTO "machine_quarantines" VALUES('01930000-0000-7000-8000-717561726101','laser-1','good','jump',NULL,NULL,900,NULL,'2026-11-02T07:30:00+00:00',NULL,NULL);
CREATE TABLE machine_states (
  id TEXT PRIMARY KEY,                    -- the device
  state TEXT NOT NULL DEFAULT 'unknown',
  raw TEXT,                               -- JSON, as the machine said it
  since TEXT,
  quality TEXT NOT NULL DEFAULT 'bad' CONSTRAINT machine_states_quality_check CHECK (quality IN ('good', 'uncertain', 'bad')),
  online INTEGER,                         -- what the device last said of itself; null: nothing yet
  source_timestamp TEXT,
  received_at TEXT,
  program TEXT,
  parts REAL,                             -- pieces that one run of the program makes
  started_operation_id TEXT,              -- the operation that this device started last
  candidate_state TEXT,                   -- a state that has to last before it counts
  candidate_raw TEXT,
  candidate_since TEXT,
  candidate_due TEXT,
  told_at TEXT,                           -- of the open issue about pieces that nobody works on
  version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
INSERT INTO "machine_states" VALUES('laser-1','running','"AUTO"','2026-11-02T07:00:00+00:00','good',1,NULL,NULL,NULL,2.0,NULL,NULL,NULL,NULL,NULL,NULL,1);
CREATE TABLE machine_values (
  device TEXT NOT NULL,
  input TEXT NOT NULL,
  value TEXT NOT NULL,                    -- JSON: a counter may be larger than an integer here
  at TEXT,                                -- by the device's own clock
  unsure INTEGER NOT NULL DEFAULT 0,      -- the machine was offline or silent since
  received_at TEXT NOT NULL,
  PRIMARY KEY (device, input)
) STRICT, WITHOUT ROWID;
INSERT INTO "machine_values" VALUES('laser-1','good','18446744073709551615',NULL,0,'2026-11-02T07:30:00+00:00');
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
CREATE TABLE mcp_authentication_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT,
  key_hash TEXT NOT NULL CONSTRAINT mcp_authentication_keys_key_hash_key UNIQUE,  -- SHA-256 of the whole key, hex
  key_prefix TEXT NOT NULL,               -- its first 12 characters
  environment TEXT NOT NULL DEFAULT 'live'
    CONSTRAINT mcp_authentication_keys_environment_check CHECK (environment IN ('live', 'test')),
  allowed_tools TEXT NOT NULL,            -- JSON list of names, `*` for all
  rate_limit INTEGER NOT NULL DEFAULT 100 -- calls a minute
    CONSTRAINT mcp_authentication_keys_rate_limit_check CHECK (rate_limit >= 1),
  enabled INTEGER NOT NULL DEFAULT 1,
  last_used_at TEXT,
  usage_count INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
INSERT INTO "mcp_authentication_keys" VALUES('01930000-0000-7000-8000-6167656e7401','planner',NULL,'2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae','ery_mcp_abcd','live','["*"]',100,1,NULL,0,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00');
CREATE TABLE mcp_key_usage_logs (
  id TEXT PRIMARY KEY,
  key_id TEXT REFERENCES mcp_authentication_keys (id) ON DELETE SET NULL,
  caller TEXT NOT NULL,                   -- name of the key, whichever kind it is
  tool_name TEXT NOT NULL,
  tool_arguments TEXT,                    -- JSON, secrets blacked out
  success INTEGER NOT NULL,
  error_message TEXT,
  response_time_ms INTEGER,
  ip_address TEXT,
  user_agent TEXT,
  created_at TEXT NOT NULL
) STRICT;
INSERT INTO "mcp_key_usage_logs" VALUES('01930000-0000-7000-8000-007573656401','01930000-0000-7000-8000-6167656e7401','planner','list_jobs',NULL,1,NULL,NULL,NULL,NULL,'2026-11-02T07:30:00+00:00');
CREATE TABLE mqtt_logs (
  id TEXT PRIMARY KEY,
  mqtt_publisher_id TEXT NOT NULL REFERENCES mqtt_publishers (id) ON DELETE CASCADE,
  event_type TEXT NOT NULL,
  topic TEXT NOT NULL,
  payload TEXT NOT NULL,                  -- JSON, as it was sent
  success INTEGER NOT NULL DEFAULT 0,
  error_message TEXT,
  latency_ms INTEGER,                     -- from sending to the broker's acknowledgement
  created_at TEXT NOT NULL
, replay_id TEXT) STRICT;
INSERT INTO "mqtt_logs" VALUES('01930000-0000-7000-8000-6d7174746c01','01930000-0000-7000-8000-62726f6b6501','operation.started','a/b','{}',1,NULL,NULL,'2026-11-02T07:30:00+00:00',NULL);
CREATE TABLE mqtt_publishers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT,
  broker_url TEXT NOT NULL,
  port INTEGER NOT NULL DEFAULT 1883,
  username TEXT,
  password TEXT CONSTRAINT mqtt_publishers_password_sealed_check CHECK (password GLOB 'sealed:*'),
  topic_pattern TEXT NOT NULL DEFAULT '{enterprise}/{site}/{area}/{cell}/{event}',
  default_enterprise TEXT DEFAULT 'eryxon',
  default_site TEXT DEFAULT 'main',
  default_area TEXT DEFAULT 'production',
  use_tls INTEGER DEFAULT 0,
  ca_certificate TEXT,                    -- PEM; null: the authorities that this machine trusts
  events TEXT NOT NULL DEFAULT '[]',      -- JSON list of names, `*` and `job.*` among them
  active INTEGER NOT NULL DEFAULT 1,
  last_connected_at TEXT,
  last_error TEXT,
  created_by TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO "mqtt_publishers" VALUES('01930000-0000-7000-8000-62726f6b6501','plant',NULL,'mqtts://plant.example',1883,NULL,'sealed:1:def','{enterprise}/{site}/{area}/{cell}/{event}','eryxon','main','production',0,NULL,'[]',1,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "operation_batches" VALUES('01930000-0000-7000-8000-792d62617401','B-1','laser_nesting','draft','manual','01930000-0000-7000-8000-0063656c6c01',NULL,NULL,1.5,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
CREATE TABLE operation_handoffs (
  id TEXT PRIMARY KEY,
  operation_id TEXT NOT NULL CONSTRAINT operation_handoffs_operation_id_key UNIQUE REFERENCES operations (id),
  text TEXT NOT NULL,
  written_by TEXT REFERENCES profiles (id),
  written_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO "operation_handoffs" VALUES('01930000-0000-7000-8000-68616e646f01','01930000-0000-7000-8000-782d6f706501','Sheet 3 is next',NULL,'2026-11-02T07:30:00+00:00',1);
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
, sync_hash TEXT, hash_alg TEXT) STRICT;
INSERT INTO "operations" VALUES('01930000-0000-7000-8000-782d6f706501','01930000-0000-7000-8000-007061727401','01930000-0000-7000-8000-0063656c6c01',NULL,'Laser cutting',1,30,600,'on_hold',NULL,0,NULL,NULL,NULL,0,0,0,0,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:30:00+00:00',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL,NULL);
INSERT INTO "operations" VALUES('01930000-0000-7000-8000-782d6f706502','01930000-0000-7000-8000-007061727401','01930000-0000-7000-8000-0063656c6c01',NULL,'Bending',2,0,0,'not_started',NULL,0,NULL,NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL,NULL);
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
CREATE TABLE ops_actions (
  id TEXT PRIMARY KEY,
  created_at TEXT NOT NULL,
  who TEXT NOT NULL,
  source TEXT NOT NULL,                   -- the address it came from
  action TEXT NOT NULL,                   -- a verb, or method and path of a call of the API
  detail TEXT NOT NULL,                   -- JSON, without secrets
  status INTEGER NOT NULL
) STRICT;
INSERT INTO "ops_actions" VALUES('01930000-0000-7000-8000-616374696f01','2026-11-02T07:30:00+00:00','ops','127.0.0.1','queue.retry','{}',200);
CREATE TABLE ops_history (
  minute INTEGER PRIMARY KEY,             -- since 1970
  head INTEGER NOT NULL,                  -- of the journal
  pending INTEGER NOT NULL,
  parked INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  oldest_s INTEGER NOT NULL
) STRICT;
INSERT INTO "ops_history" VALUES(29893380,4,0,1,3,0);
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
, hash_alg TEXT) STRICT;
INSERT INTO "parts" VALUES('01930000-0000-7000-8000-007061727401','01930000-0000-7000-8000-00006a6f6201',NULL,'P-1','Steel',20,'in_progress',NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL);
INSERT INTO "parts" VALUES('01930000-0000-7000-8000-007061727402','01930000-0000-7000-8000-00006a6f6201','01930000-0000-7000-8000-007061727401','P-1.1','Steel',1,'not_started',NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL);
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
CREATE TABLE repairs_ignored (
  problem TEXT PRIMARY KEY,
  until TEXT NOT NULL,
  ignored_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "repairs_ignored" VALUES('plain_lan','2026-12-31T00:00:00+00:00','ops');
CREATE TABLE replays (
  id TEXT PRIMARY KEY,
  out TEXT NOT NULL,                      -- `webhook:<id>`, `mqtt:<id>`, `uns`: called like its reader
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  position INTEGER NOT NULL,              -- everything up to here is done
  state TEXT NOT NULL DEFAULT 'waiting' CONSTRAINT replays_state_check CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  sent INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  error_message TEXT,
  requested_by TEXT NOT NULL,             -- the name of a key
  created_at TEXT NOT NULL,
  finished_at TEXT
) STRICT;
INSERT INTO "replays" VALUES('01930000-0000-7000-8000-7265706c6101','webhook:01930000-0000-7000-8000-00686f6f6b01',3,4,3,'waiting',0,0,NULL,'first admin','2026-11-02T07:30:00+00:00',NULL);
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
, notes TEXT, sync_hash TEXT, hash_alg TEXT) STRICT;
INSERT INTO "resources" VALUES('01930000-0000-7000-8000-7265736f7501','Fixture 4','fixture',NULL,NULL,NULL,'available','{"weight": 12}',1,NULL,NULL,NULL,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',NULL,NULL,1,NULL,NULL,NULL);
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
INSERT INTO "substeps" VALUES('01930000-0000-7000-8000-007374657001','01930000-0000-7000-8000-782d6f706501','Clean the lens',NULL,1,'completed',NULL,'2026-11-02T07:30:00+00:00','01930000-0000-7000-8000-6f7065726101','2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
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
INSERT INTO "sync_imports" VALUES('01930000-0000-7000-8000-696d706f7201','jobs','upsert','api','completed',2,0,0,0,0,0,NULL,NULL,'{}',NULL,NULL,'2026-11-02T07:00:00+00:00');
CREATE TABLE terminal_codes (
  code_hash TEXT PRIMARY KEY,             -- SHA-256, hex
  name TEXT NOT NULL,
  cell_id TEXT,
  language TEXT,
  theme TEXT,
  expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "terminal_codes" VALUES('2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae','Saw',NULL,NULL,NULL,'2026-11-02T07:30:00+00:00');
CREATE TABLE terminal_pins (
  operator_id TEXT PRIMARY KEY,
  box TEXT NOT NULL,                      -- which box made it: on another one it opens nothing
  salt BLOB NOT NULL,
  verifier BLOB NOT NULL,                 -- scrypt of the PIN and a key of this box
  wrong INTEGER NOT NULL DEFAULT 0,       -- attempts since the last right one
  locked_until TEXT,
  set_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "terminal_pins" VALUES('01930000-0000-7000-8000-6f7065726101','a-box',X'000102030405060708090A0B0C0D0E0F',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F',1,NULL,'2026-11-02T07:00:00+00:00');
CREATE TABLE terminal_sessions (
  id TEXT PRIMARY KEY,
  terminal_id TEXT NOT NULL REFERENCES terminals (id),
  operator_id TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT
) STRICT;
INSERT INTO "terminal_sessions" VALUES('01930000-0000-7000-8000-736573736901','01930000-0000-7000-8000-7465726d6901','01930000-0000-7000-8000-6f7065726101','2026-11-02T07:00:00+00:00',NULL);
CREATE TABLE terminals (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  cell_id TEXT,                           -- where it stands; null: in no cell of its own
  key_hash TEXT NOT NULL CONSTRAINT terminals_key_hash_key UNIQUE,  -- SHA-256 of the whole key, hex
  language TEXT,
  theme TEXT,
  about TEXT NOT NULL DEFAULT '{}',       -- JSON: what its browser says of itself
  seen TEXT NOT NULL DEFAULT '{}',        -- JSON: how it last said that it stands
  created_at TEXT NOT NULL,
  last_seen_at TEXT,
  revoked_at TEXT
) STRICT;
INSERT INTO "terminals" VALUES('01930000-0000-7000-8000-7465726d6901','Laser left','01930000-0000-7000-8000-0063656c6c01','2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',NULL,NULL,'{}','{}','2026-11-02T07:00:00+00:00',NULL,NULL);
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
CREATE TABLE tombstones (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  row_version INTEGER NOT NULL,
  cell_id TEXT,                           -- whose keys are told; null: everybody's, empty: only those for all cells
  deleted_at TEXT NOT NULL,
  PRIMARY KEY (table_name, row_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "tombstones" VALUES('cells','01930000-0000-7000-8000-0063656c6c09',3,NULL,'2026-11-02T07:00:00+00:00');
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
CREATE TABLE webhook_logs (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event_type TEXT NOT NULL,
  payload TEXT NOT NULL,                  -- JSON, the body that was sent
  status_code INTEGER,                    -- of the last try; null: no answer
  error_message TEXT,
  created_at TEXT NOT NULL
, replay_id TEXT) STRICT;
INSERT INTO "webhook_logs" VALUES('01930000-0000-7000-8000-64656c697601','01930000-0000-7000-8000-00686f6f6b01','operation.started','{}',200,NULL,'2026-11-02T07:30:00+00:00',NULL);
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  events TEXT NOT NULL,                   -- JSON list of names, `*` and `job.*` among them
  secret_key TEXT CONSTRAINT webhooks_secret_sealed_check CHECK (secret_key GLOB 'sealed:*'),  -- null: it came without one
  active INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO "webhooks" VALUES('01930000-0000-7000-8000-00686f6f6b01','https://erp.example/hook','["*"]','sealed:1:abc',1,'2026-11-02T07:00:00+00:00','2026-11-02T07:00:00+00:00',1);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX cells_by_name ON cells (name);
CREATE UNIQUE INDEX resources_tenant_id_name_key ON resources (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_resources_external_sync ON resources (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX jobs_tenant_id_job_number_key ON jobs (job_number) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_jobs_external_sync ON jobs (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX jobs_by_status ON jobs (status, created_at) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX parts_tenant_id_part_number_key ON parts (part_number) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX idx_parts_external_sync ON parts (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX idx_operations_external_sync ON operations (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX operations_by_part ON operations (part_id, sequence);
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
CREATE INDEX issues_by_operation ON issues (operation_id);
CREATE INDEX issues_by_status ON issues (status, created_at);
CREATE INDEX issues_standstill ON issues (operation_id) WHERE status = 'pending' AND causes_standstill = 1;
CREATE INDEX substeps_by_operation ON substeps (operation_id, sequence);
CREATE INDEX assignments_by_operator ON assignments (operator_id, status);
CREATE INDEX assignments_by_shop_floor_operator ON assignments (shop_floor_operator_id, status);
CREATE INDEX assignments_by_job ON assignments (job_id);
CREATE INDEX assignments_by_part ON assignments (part_id);
CREATE INDEX operation_resources_by_resource ON operation_resources (resource_id);
CREATE INDEX file_offers_by_expiry ON file_offers (expires_at);
CREATE INDEX webhook_logs_by_time ON webhook_logs (created_at);
CREATE INDEX webhook_logs_by_webhook ON webhook_logs (webhook_id, created_at);
CREATE INDEX webhook_logs_by_event ON webhook_logs (event_type, created_at);
CREATE INDEX webhook_logs_by_status ON webhook_logs (status_code, created_at);
CREATE INDEX operation_batches_by_status ON operation_batches (status, created_at);
CREATE INDEX operation_batches_by_cell ON operation_batches (cell_id, status);
CREATE INDEX operation_batches_by_parent ON operation_batches (parent_batch_id) WHERE parent_batch_id IS NOT NULL;
CREATE INDEX batch_operations_by_batch ON batch_operations (batch_id, sequence_in_batch);
CREATE INDEX batch_requirements_by_batch ON batch_requirements (batch_id);
CREATE UNIQUE INDEX idx_cells_external_sync ON cells (external_source, external_id)
  WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX sync_imports_by_created ON sync_imports (created_at);
CREATE INDEX sync_imports_by_entity ON sync_imports (entity_type, created_at);
CREATE INDEX jobs_by_created ON jobs (created_at) WHERE deleted_at IS NULL;
CREATE INDEX parts_by_created ON parts (created_at) WHERE deleted_at IS NULL;
CREATE INDEX parts_by_job ON parts (job_id, created_at);
CREATE INDEX parts_by_status ON parts (status, created_at) WHERE deleted_at IS NULL;
CREATE INDEX operations_by_cell_status ON operations (cell_id, status, sequence) WHERE deleted_at IS NULL;
CREATE INDEX operations_by_cell ON operations (cell_id, deleted_at, sequence);
CREATE INDEX operations_by_sequence ON operations (sequence) WHERE deleted_at IS NULL;
CREATE INDEX operations_by_operator ON operations (assigned_operator_id, sequence)
  WHERE assigned_operator_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX time_entries_by_operator ON time_entries (operator_id, start_time);
CREATE INDEX operation_quantities_by_recorder ON operation_quantities (recorded_by, recorded_at)
  WHERE recorded_by IS NOT NULL;
CREATE INDEX operation_quantities_by_reason ON operation_quantities (scrap_reason_id, recorded_at)
  WHERE scrap_reason_id IS NOT NULL;
CREATE INDEX operation_quantities_by_lot ON operation_quantities (material_lot, recorded_at) WHERE material_lot IS NOT NULL;
CREATE INDEX operation_quantities_scrap ON operation_quantities (recorded_at) WHERE quantity_scrap > 0;
CREATE INDEX operation_quantities_rework ON operation_quantities (recorded_at) WHERE quantity_rework > 0;
CREATE INDEX issues_by_created ON issues (created_at);
CREATE INDEX substeps_by_sequence ON substeps (sequence);
CREATE INDEX assignments_by_created ON assignments (created_at);
CREATE INDEX operation_batches_by_created ON operation_batches (created_at);
CREATE INDEX hub_cells_by_gateway ON hub_cells (gateway_id);
CREATE INDEX cloud_conflicts_by_time ON cloud_conflicts (found_at);
CREATE INDEX cloud_rows_missed ON cloud_rows (table_name, id) WHERE missed > 0;
CREATE INDEX cloud_rows_deleted ON cloud_rows (table_name, id) WHERE deleted = 1;
CREATE INDEX gathered_pieces_by_operation ON gathered_pieces (operation_id) WHERE pending_millionths >= 1000000;
CREATE INDEX machine_quarantines_open ON machine_quarantines (device, input) WHERE acknowledged_at IS NULL;
CREATE INDEX machine_quarantines_old ON machine_quarantines (acknowledged_at) WHERE acknowledged_at IS NOT NULL;
CREATE INDEX mqtt_logs_by_time ON mqtt_logs (created_at);
CREATE INDEX mqtt_logs_by_publisher ON mqtt_logs (mqtt_publisher_id, created_at);
CREATE INDEX mqtt_logs_by_event ON mqtt_logs (event_type, created_at);
CREATE INDEX mqtt_logs_by_success ON mqtt_logs (success, created_at);
CREATE INDEX tombstones_by_time ON tombstones (deleted_at);
CREATE INDEX replays_by_time ON replays (created_at);
CREATE INDEX replays_open ON replays (out, created_at) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX mcp_authentication_keys_tenant_id_name_key ON mcp_authentication_keys (name) WHERE enabled = 1;
CREATE INDEX mcp_key_usage_logs_by_time ON mcp_key_usage_logs (created_at);
CREATE INDEX mcp_key_usage_logs_by_key ON mcp_key_usage_logs (key_id, created_at);
CREATE INDEX mcp_key_usage_logs_by_tool ON mcp_key_usage_logs (tool_name, created_at);
CREATE INDEX operations_by_cell_completed ON operations (cell_id, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX terminal_sessions_by_terminal ON terminal_sessions (terminal_id, started_at);
CREATE INDEX terminal_sessions_by_start ON terminal_sessions (started_at);
CREATE INDEX parts_by_drawing ON parts (drawing_no) WHERE drawing_no IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX ops_actions_by_time ON ops_actions (created_at);
CREATE INDEX time_entry_pauses_open ON time_entry_pauses (paused_at) WHERE resumed_at IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',4);
COMMIT;
PRAGMA user_version=29;
