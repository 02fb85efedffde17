-- A stretch of the journal that is sent to one way out again.

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
CREATE INDEX replays_by_time ON replays (created_at);
CREATE INDEX replays_open ON replays (out, created_at) WHERE finished_at IS NULL;

ALTER TABLE webhook_logs ADD COLUMN replay_id TEXT;  -- null: told when it happened
ALTER TABLE mqtt_logs ADD COLUMN replay_id TEXT;
