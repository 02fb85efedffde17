-- Who is told of what over MQTT on a broker of his own, and what came of it.

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

-- One row for each message; no journal entry tells of it.
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
) STRICT;
CREATE INDEX mqtt_logs_by_time ON mqtt_logs (created_at);
CREATE INDEX mqtt_logs_by_publisher ON mqtt_logs (mqtt_publisher_id, created_at);
CREATE INDEX mqtt_logs_by_event ON mqtt_logs (event_type, created_at);
CREATE INDEX mqtt_logs_by_success ON mqtt_logs (success, created_at);
