-- The operations page: how the queue stood, what was done there.

CREATE TABLE ops_history (
  minute INTEGER PRIMARY KEY,             -- since 1970
  head INTEGER NOT NULL,                  -- of the journal
  pending INTEGER NOT NULL,
  parked INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  oldest_s INTEGER NOT NULL
) STRICT;

CREATE TABLE ops_actions (
  id TEXT PRIMARY KEY,
  created_at TEXT NOT NULL,
  who TEXT NOT NULL,
  source TEXT NOT NULL,                   -- the address it came from
  action TEXT NOT NULL,                   -- a verb, or method and path of a call of the API
  detail TEXT NOT NULL,                   -- JSON, without secrets
  status INTEGER NOT NULL
) STRICT;
CREATE INDEX ops_actions_by_time ON ops_actions (created_at);
