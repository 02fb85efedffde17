-- Keys of agents that call tools (MCP), and what each of them has called.

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
-- A name may be given again once its key has ended.
CREATE UNIQUE INDEX mcp_authentication_keys_tenant_id_name_key ON mcp_authentication_keys (name) WHERE enabled = 1;

-- One row for each call of a tool; no journal entry tells of it. Without a key: a REST key, or a program on this machine.
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
CREATE INDEX mcp_key_usage_logs_by_time ON mcp_key_usage_logs (created_at);
CREATE INDEX mcp_key_usage_logs_by_key ON mcp_key_usage_logs (key_id, created_at);
CREATE INDEX mcp_key_usage_logs_by_tool ON mcp_key_usage_logs (tool_name, created_at);
