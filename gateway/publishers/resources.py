"""How publishers and their log look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.uns.topics import PLACEHOLDERS

PATH = "/api-mqtt-publishers"
HIDDEN = "[redacted]"  # what stands for a password
NAME_MAX = 255
TEXT_MAX = 2048
PORT_MAX = 65_535

PUBLISHERS = Resource(
    table="mqtt_publishers",
    path=PATH,
    singular=("mqtt_publisher",),
    columns=(
        Column("name", required=True, length_max=NAME_MAX),
        Column("description", length_max=TEXT_MAX),
        Column(
            "broker_url",
            required=True,
            length_max=TEXT_MAX,
            about="A host, or `mqtt://host:port`, `mqtts://host:port`. A port here wins over `port`.",
        ),
        Column("port", Kind.INTEGER, nullable=False, minimum=1, maximum=PORT_MAX, about="1883 when not given."),
        Column("username", length_max=NAME_MAX),
        Column(
            "password",
            stored=f"CASE WHEN mqtt_publishers.password IS NOT NULL THEN '{HIDDEN}' END",
            about=f"Kept sealed and never shown again: `{HIDDEN}` says that there is one.",
        ),
        Column(
            "topic_pattern",
            nullable=False,
            length_max=TEXT_MAX,
            about=f"Placeholders: {', '.join(f'`{{{name}}}`' for name in PLACEHOLDERS)}.",
        ),
        Column("default_enterprise", length_max=NAME_MAX, about="`eryxon` when not given."),
        Column("default_site", length_max=NAME_MAX, about="`main` when not given."),
        Column(
            "default_area",
            length_max=NAME_MAX,
            about="`production` when not given; `[uns.areas]` names those of cells.",
        ),
        Column("use_tls", Kind.BOOLEAN),
        Column(
            "ca_certificate",
            about="PEM. null: the broker's certificate is held against those that this machine trusts.",
        ),
        Column("events", Kind.LIST, required=True, about="Names of events, `*` for all, `job.*` for all of a kind."),
        Column("active", Kind.BOOLEAN, nullable=False),
        Column("last_connected_at", Kind.TIME, creatable=False, updatable=False),
        Column("last_error", creatable=False, updatable=False, about="null while it is connected."),
        Column("created_by", Kind.UUID, creatable=False, updatable=False),
        Column("created_at", Kind.TIME, nullable=False, creatable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, creatable=False, updatable=False),
    ),
    derived={"mqtt_publisher_id": "{t}.id"},
    filters={"active": "mqtt_publishers.active", "use_tls": "mqtt_publishers.use_tls"},
    search=("mqtt_publishers.name", "mqtt_publishers.broker_url"),
    sort=("created_at", "name", "broker_url"),
)

LOGS = Resource(
    table="mqtt_logs",
    path="/api-mqtt-logs",
    singular=("mqtt_log",),
    tenant=False,
    journaled=False,
    cell="mqtt_logs.payload ->> '$.data.cell_id'",  # a payload tells of the cell that it happened in
    columns=(
        Column("mqtt_publisher_id", Kind.UUID, nullable=False, references="mqtt_publishers"),
        Column("event_type", nullable=False),
        Column("topic", nullable=False),
        Column("payload", Kind.JSON, nullable=False, about="As it was sent."),
        Column("success", Kind.BOOLEAN, nullable=False),
        Column("error_message"),
        Column("latency_ms", Kind.INTEGER, about="From sending to the broker's acknowledgement."),
        Column("replay_id", Kind.UUID, about="The replay that it was told in; null: when it happened."),
        Column("created_at", Kind.TIME, nullable=False),
    ),
    derived={
        "mqtt_log_id": "{t}.id",
        "mqtt_publisher": "(SELECT json_object('id', p.id, 'name', p.name, 'broker_url', p.broker_url) "
        "FROM mqtt_publishers p WHERE p.id = {t}.mqtt_publisher_id)",
    },
    filters={name: f"mqtt_logs.{name}" for name in ("mqtt_publisher_id", "event_type", "success", "replay_id")},
    sort=("created_at",),
)
