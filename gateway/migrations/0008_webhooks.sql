-- Who is told of what over HTTP, what came of it, and keys that come from the cloud.

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

-- One row for each delivery; no journal entry tells of it.
CREATE TABLE webhook_logs (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event_type TEXT NOT NULL,
  payload TEXT NOT NULL,                  -- JSON, the body that was sent
  status_code INTEGER,                    -- of the last try; null: no answer
  error_message TEXT,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_logs_by_time ON webhook_logs (created_at);
CREATE INDEX webhook_logs_by_webhook ON webhook_logs (webhook_id, created_at);
CREATE INDEX webhook_logs_by_event ON webhook_logs (event_type, created_at);
CREATE INDEX webhook_logs_by_status ON webhook_logs (status_code, created_at);

ALTER TABLE api_keys ADD COLUMN created_by TEXT;      -- the profile that the maker's own key stands for
ALTER TABLE api_keys ADD COLUMN origin TEXT NOT NULL DEFAULT 'local'
  CONSTRAINT api_keys_origin_check CHECK (origin IN ('local', 'cloud'));
ALTER TABLE api_keys ADD COLUMN verified_at TEXT;     -- origin cloud: when the cloud last took it
ALTER TABLE api_keys ADD COLUMN refused_at TEXT;      -- origin cloud: when the cloud refused it; null: a person ended it
