"""Every route of the API, put together by hand: what each of them needs, and nothing else."""

from typing import Any

from pydantic import SecretStr

from gateway import __version__, examples, inbound
from gateway.batches import routes as batches
from gateway.batches.commands import BatchCommands
from gateway.batches.resources import BATCHES
from gateway.batches.resources import IMAGES as BATCH_IMAGES
from gateway.catalog import routes as catalog
from gateway.catalog.commands import RowCommands
from gateway.conflicts import routes as conflicts
from gateway.conflicts.commands import ConflictCommands
from gateway.erp import routes as erp
from gateway.erp.commands import ErpCommands
from gateway.files import routes as files
from gateway.files.blobs import Blobs
from gateway.files.commands import FileCommands, Sizes
from gateway.files.reading import FileReading, Linked
from gateway.files.signing import Signing
from gateway.hub import files as hub_files
from gateway.hub import forward, returned
from gateway.hub import routes as hub
from gateway.hub.arrivals import Arrivals
from gateway.hub.snapshot import Moments
from gateway.hub.stream import Feed
from gateway.issues import routes as issues
from gateway.issues.commands import IssueCommands
from gateway.issues.resources import ISSUES
from gateway.jobs import routes as jobs
from gateway.jobs.assignments import routes as assignments
from gateway.jobs.assignments.commands import AssignmentCommands
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.ids import NewId
from gateway.kernel.room import Use
from gateway.kernel.secrets import Secrets, is_sealed
from gateway.keys import routes as keys_
from gateway.keys.commands import KeyCommands
from gateway.machines import routes as machines_
from gateway.machines.quarantines import QuarantineCommands
from gateway.machines.registry import machines
from gateway.mcp_keys import routes as mcp_keys
from gateway.operations import routes as operations
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities import routes as quantities
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.substeps import routes as substeps
from gateway.operations.substeps.commands import SubstepCommands
from gateway.operations.time_entries import routes as time_entries
from gateway.operations.time_entries.commands import TimeEntryCommands
from gateway.operations.trees import routes as trees
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.publishers import routes as publishers
from gateway.publishers.commands import PublisherCommands
from gateway.publishers.sender import Here
from gateway.publishers.trial import Trial as PublisherTrial
from gateway.replays import routes as replays
from gateway.replays.commands import ReplayCommands
from gateway.reports import public as reports
from gateway.settings import Settings
from gateway.terminals import routes as terminals
from gateway.terminals.pairing import Terminals
from gateway.terminals.pins import Pins
from gateway.transfer import routes as transfer
from gateway.transfer.export import Exports
from gateway.uns.topics import Topics
from gateway.web import hosted
from gateway.web.auth import Keys
from gateway.web.inside import Inside
from gateway.web.openapi import document
from gateway.web.room import kept_room
from gateway.web.routes import Route
from gateway.webhooks import routes as webhooks
from gateway.webhooks.commands import WebhookCommands
from gateway.webhooks.rules import Targets
from gateway.webhooks.sender import Here as WebhooksHere
from gateway.webhooks.trial import Trial

FILES = "files"  # a folder in the data folder
# Rows beside parts that list paths of files.
LINKED = (
    Linked(ISSUES, "/api-issues/{issue_id}/image-url", ("image_paths",), "Image"),
    Linked(BATCHES, "/api-batches/{batch_id}/image-url", BATCH_IMAGES, "Image"),
)


def api_routes(
    settings: Settings,
    db: Database,
    keys: Keys,
    clock: Clock,
    new_id: NewId,
    feed: Feed,
    ring: inbound.Ring | None = None,
    paired: Terminals | None = None,
) -> list[Route]:
    """Every API route. `ring`: whom webhooks of the cloud wake; `paired`: the terminals as whoever serves them knows them."""
    made = (db, clock, new_id, settings.gateway.id)
    known = machines(settings.uns)
    job_trees = JobTreeCommands(*made)
    stored = blobs(settings, db)
    bytes_max = max(settings.limits.image_bytes, settings.limits.upload_bytes)
    table = [
        *catalog.routes(db, lambda resource: RowCommands(resource, *made)),
        *jobs.lifecycle(job_trees),
        *trees.routes(db, job_trees, PartTreeCommands(*made)),
        *operations.routes(db, OperationPlanning(*made)),
        *time_entries.routes(db, TimeEntryCommands(*made)),
        *quantities.routes(db, QuantityCommands(*made)),
        *issues.routes(db, IssueCommands(*made)),
        *substeps.routes(db, SubstepCommands(*made)),
        *assignments.routes(db, AssignmentCommands(*made)),
        *batches.routes(db, BatchCommands(*made)),
        *transfer.routes(Exports(db, clock, settings.site.enterprise, settings.site.tenant_id)),
        *_webhook_routes(settings, made),
        *_publisher_routes(settings, made),
        *replays.routes(db, ReplayCommands(*made)),
        *keys_.routes(db, KeyCommands(keys, *made)),
        *mcp_keys.routes(db),
        *reports.routes(db, clock),
        *terminals.routes(
            db,
            clock,
            paired or Terminals(db, clock, new_id),
            Pins(db, clock, Secrets(settings.data_dir, settings.credentials)),
        ),
        *hosted.routes(),
        *erp.routes(db, ErpCommands(*made, upstream=settings.compat.bulk_sync_shape == "upstream")),
        *_file_routes(settings, made, stored),
        *conflicts.routes(db, ConflictCommands(*made)),
        *machines_.routes(db, known, QuarantineCommands(*made, known)),
        *hub.routes(db, feed, Moments(db), __version__),
        *hub_files.routes(Arrivals(*made, stored, bytes_max), bytes_max),
        inbound.route(_opened(settings.cloud.webhook_secret), ring),
        inbound.publish_route(settings.cloud.publish_username, _opened(settings.cloud.publish_password), ring),
    ]
    table = [kept_room(one, db) for one in table]
    return [*table, returned.route(db), forward.route(db, Inside(table), clock, new_id, settings.gateway.id, stored)]


def _opened(secret: SecretStr) -> str:
    """Empty when it is sealed and does not open: with the sealed text nobody gets in."""
    text = secret.get_secret_value()
    return "" if is_sealed(text) else text


def _file_routes(settings: Settings, made: tuple[Database, Clock, NewId, str], stored: Blobs) -> list[Route]:
    signing = Signing(Secrets(settings.data_dir, settings.credentials))
    sizes = Sizes(settings.limits.image_bytes, settings.limits.upload_bytes)
    commands = FileCommands(*made, stored, signing, sizes, beside_others=settings.cloud.kind == "hub")
    return files.routes(FileReading(made[0], stored, commands.link), commands, sizes, LINKED)


def _webhook_routes(settings: Settings, made: tuple[Database, Clock, NewId, str]) -> list[Route]:
    here = webhooks_here(settings, made)
    return webhooks.routes(made[0], WebhookCommands(*made, here.box, here.targets), Trial(here))


def webhooks_here(settings: Settings, made: tuple[Database, Clock, NewId, str]) -> WebhooksHere:
    """What all webhooks share, here and where they are sent."""
    targets = Targets(settings.webhooks.allowed_networks, settings.webhooks.allow_http)
    in_seconds = settings.compat.event_time_unit == "seconds"
    return WebhooksHere(*made, Secrets(settings.data_dir, settings.credentials), targets, in_seconds)


def _publisher_routes(settings: Settings, made: tuple[Database, Clock, NewId, str]) -> list[Route]:
    box, topics = Secrets(settings.data_dir, settings.credentials), Topics.of(settings, settings.gateway.id)
    return publishers.routes(
        made[0], PublisherCommands(*made, box), PublisherTrial(Here(*made[:3], topics, box)), topics
    )


def blobs(settings: Settings, db: Database) -> Blobs:
    return Blobs(settings.data_dir / FILES, lambda size_bytes: db.room.require(Use.UPLOAD, size_bytes))


def described() -> dict[str, Any]:
    """The REST API as OpenAPI, without a gateway: the routes know their database only when they are called."""
    nobody: Any = None
    return document(api_routes(Settings(), nobody, nobody, nobody, nobody, nobody), examples, version=__version__)
