"""How webhooks and their log look from outside."""

from gateway.catalog.resources import Column, Kind, Resource

URL_MAX = 2048
HIDDEN = "[redacted]"  # what stands for a secret

WEBHOOKS = Resource(
    table="webhooks",
    path="/api-webhooks",
    singular=("webhook",),
    columns=(
        Column(
            "url", required=True, length_max=URL_MAX, about="https; http only where `[webhooks] allow_http` says so."
        ),
        Column("events", Kind.LIST, required=True, about="Names of events, `*` for all, `job.*` for all of a kind."),
        Column(
            "secret_key",
            stored=f"CASE WHEN webhooks.secret_key IS NOT NULL THEN '{HIDDEN}' END",
            about="Signs each delivery. Made when not given; shown only in the answer that makes the webhook. "
            "null: it was imported without one.",
        ),
        Column("active", Kind.BOOLEAN, nullable=False),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, updatable=False),
    ),
    derived={"webhook_id": "{t}.id"},
    filters={"active": "webhooks.active", "events": "webhooks.events"},
    search=("webhooks.url",),
    sort=("created_at", "events", "url"),
)

WEBHOOK_LOGS = Resource(
    table="webhook_logs",
    path="/api-webhook-logs",
    singular=("webhook_log",),
    tenant=False,
    journaled=False,
    cell="webhook_logs.payload ->> '$.data.cell_id'",  # a payload tells of the cell that it happened in
    columns=(
        Column("webhook_id", Kind.UUID, nullable=False, references="webhooks"),
        Column("event_type", nullable=False),
        Column("payload", Kind.JSON, nullable=False, about="The body as it was sent."),
        Column("status_code", Kind.INTEGER, about="Of the last try; null: no answer."),
        Column("error_message", about="null: taken at the first try."),
        Column("replay_id", Kind.UUID, about="The replay that it was told in; null: when it happened."),
        Column("created_at", Kind.TIME, nullable=False),
    ),
    derived={
        "webhook_log_id": "{t}.id",
        "webhook": "(SELECT json_object('id', w.id, 'url', w.url, 'events', json(w.events)) FROM webhooks w "
        "WHERE w.id = {t}.webhook_id)",
    },
    filters={name: f"webhook_logs.{name}" for name in ("webhook_id", "status_code", "event_type", "replay_id")},
    sort=("created_at", "status_code"),
)
