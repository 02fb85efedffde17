"""The job lifecycle and what is read of jobs and parts. Trees are made and deleted in `operations/trees`."""

from pydantic import BaseModel, ConfigDict

from gateway.catalog import models
from gateway.catalog.routes import guarded
from gateway.jobs import rules
from gateway.jobs.commands import ChangeJob, JobCommands
from gateway.jobs.resources import JOBS
from gateway.kernel.errors import BadRequest, NotFound
from gateway.kernel.ids import is_uuid
from gateway.outbox.receipts import Answer
from gateway.web.routes import Call, Cells, Parameter, Route, Scope


class JobLifecycleBody(BaseModel):
    """The published reference sends all of it, today's cloud dialect nothing."""

    model_config = ConfigDict(extra="forbid")

    job_id: str | None = None
    action: str | None = None
    occurred_at: models.Instant | None = None
    notes: str | None = None
    base_version: models.BaseVersion = None


def lifecycle(commands: JobCommands) -> list[Route]:
    """Both dialects: `/start?id=` and a body with everything in it."""

    async def change(call: Call) -> Answer:
        body = call.body or JobLifecycleBody()
        job_id = call.query.get("id") or body.job_id
        if not job_id:
            raise BadRequest("Job ID is required: ?id= or job_id in the body", code="VALIDATION_ERROR")
        if not is_uuid(job_id):
            raise NotFound("Job not found")
        action = call.path.get("action") or body.action or ""
        verb = rules.ALIASES.get(action, action)
        if verb not in rules.VERBS:
            known = ", ".join([*rules.VERBS, *rules.ALIASES])
            raise BadRequest(f"Invalid operation '{action}'. Supported operations: {known}", code="INVALID_OPERATION")
        wish = ChangeJob(job_id.lower(), verb, body.occurred_at, body.notes, called=action)
        return await commands.change(wish, call.caller, guarded(call, JOBS, wish.job_id))

    return [
        Route(
            "POST",
            path,
            change,
            Scope.OPERATE,
            Cells.CHECKED,
            "Start, stop, resume or complete a job",
            body=JobLifecycleBody,
            parameters=(Parameter("id"),),
            answers={"job": "Job"},
            strict_method=True,
            conditional=True,
        )
        for path in ("/api-job-lifecycle", "/api-job-lifecycle/{action}")
    ]
