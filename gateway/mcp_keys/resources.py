"""How MCP keys and their log look from outside."""

from gateway.catalog.resources import Column, Kind, Resource

MCP_KEYS = Resource(
    table="mcp_authentication_keys",
    path="/api-mcp-keys",
    singular=("mcp_key",),
    listed_as="mcp_keys",
    tenant=False,
    journaled=False,
    columns=(
        Column("name", nullable=False),
        Column("description"),
        Column("key_prefix", nullable=False),
        Column("environment", nullable=False, choices=("live", "test")),
        Column("allowed_tools", Kind.LIST, nullable=False, about="Names of tools, `*` for all."),
        Column("rate_limit", Kind.INTEGER, nullable=False, about="Calls a minute."),
        Column("enabled", Kind.BOOLEAN, nullable=False, about="Also: active."),
        Column("last_used_at", Kind.TIME),
        Column("usage_count", Kind.INTEGER, nullable=False),
        Column("created_at", Kind.TIME, nullable=False),
        Column("updated_at", Kind.TIME, nullable=False),
    ),
    derived={"mcp_key_id": "{t}.id", "active": "json(CASE {t}.enabled WHEN 1 THEN 'true' ELSE 'false' END)"},
    filters={"enabled": "mcp_authentication_keys.enabled", "environment": "mcp_authentication_keys.environment"},
    search=("mcp_authentication_keys.name",),
    sort=("created_at", "name"),
)

MCP_LOGS = Resource(
    table="mcp_key_usage_logs",
    path="/api-mcp-logs",
    singular=("mcp_log",),
    tenant=False,
    journaled=False,
    columns=(
        Column("key_id", Kind.UUID, about="An MCP key; null: a REST key, or a program on this machine."),
        Column("caller", nullable=False, about="The name of the key."),
        Column("tool_name", nullable=False),
        Column("tool_arguments", Kind.JSON, about="Secrets are blacked out, long texts cut."),
        Column("success", Kind.BOOLEAN, nullable=False),
        Column("error_message"),
        Column("response_time_ms", Kind.INTEGER),
        Column("ip_address"),
        Column("user_agent"),
        Column("created_at", Kind.TIME, nullable=False),
    ),
    derived={"mcp_log_id": "{t}.id"},
    filters={name: f"mcp_key_usage_logs.{name}" for name in ("key_id", "tool_name", "success")},
    since={"from_date": "mcp_key_usage_logs.created_at"},
    until={"to_date": "mcp_key_usage_logs.created_at"},
    sort=("created_at",),
)
