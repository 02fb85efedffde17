"""How replays look from outside."""

from gateway.catalog.resources import Column, Kind, Resource

PATH = "/api-replay"
OUT_MAX = 100  # characters
STATES = ("waiting", "running", "done", "failed")

REPLAYS = Resource(
    table="replays",
    path=PATH,
    singular=("replay",),
    tenant=False,
    journaled=False,
    columns=(
        Column("out", nullable=False, about="`webhook:<id>`, `mqtt:<id>` or `uns`."),
        Column("from_seq", Kind.INTEGER, nullable=False),
        Column("to_seq", Kind.INTEGER, nullable=False),
        Column("position", Kind.INTEGER, nullable=False, about="Everything up to here is done."),
        Column("state", nullable=False, choices=STATES),
        Column("sent", Kind.INTEGER, nullable=False, about="Events that were taken."),
        Column("refused", Kind.INTEGER, nullable=False, about="Events that were not: the log says why."),
        Column("error_message", about="Of one that failed."),
        Column("requested_by", nullable=False, about="The name of a key."),
        Column("created_at", Kind.TIME, nullable=False),
        Column("finished_at", Kind.TIME),
    ),
    derived={"replay_id": "{t}.id"},
    filters={"out": "replays.out", "state": "replays.state"},
    sort=("created_at",),
)
