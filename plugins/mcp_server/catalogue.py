"""Every tool, as data: what it is called, what it takes, which route of the REST API it stands for."""

from plugins.mcp_server import batch, work
from plugins.mcp_server.tool import PAGE, Arg, Target, Tool, args, shows

JOBS, PARTS, OPERATIONS = "/api-jobs", "/api-parts", "/api-operations"
ISSUES, SUBSTEPS, QUANTITIES = "/api-issues", "/api-substeps", "/api-operation-quantities"
_OF_JOB, _OF_OPERATION = "/api-job-lifecycle/{}", "/api-operation-lifecycle/{}"

_TASK_STATES = {"pending": "not_started", "paused": "on_hold"}
_TASK_STATUS = Arg("status", words=_TASK_STATES)
_ID = args("id*")
_DATE = {"type": "string", "format": "date-time"}


def _updates(name: str, about: str, path: str, row: str, names: str, *more: Arg) -> Tool:
    return Tool(name, about, args(f"id* {names}", *more), Target("PATCH", path, row))


def _job(name: str, verb: str, about: str) -> Tool:
    return Tool(name, about, _ID, Target("POST", _OF_JOB.format(verb), "job", when="occurred_at"))


def _operation(name: str, verb: str, about: str) -> Tool:
    target = Target("POST", _OF_OPERATION.format(verb), "operation", when="occurred_at")
    return Tool(name, about, args("id* operator_id notes"), target)


_WORK = (
    shows(
        "fetch_jobs",
        "List jobs. `customer`: a part of the name.",
        JOBS,
        args("status customer job_number search sort order", *PAGE),
    ),
    Tool(
        "create_job",
        "Create a job, with its parts and operations if they are known.",
        args("customer* job_number* notes due_date priority parts"),
        Target("POST", JOBS, "job", when="created_at"),
    ),
    _updates(
        "update_job",
        "Change a job. A change of `status` must be a legal transition.",
        JOBS,
        "job",
        "status notes due_date",
    ),
    _job("start_job", "start", "Start a job that has not begun or is on hold."),
    _job("stop_job", "stop", "Put a job on hold."),
    Tool(
        "complete_job",
        "Complete a job that is in progress or on hold.",
        _ID,
        Target("POST", _OF_JOB.format("complete"), "job", when="occurred_at"),
        work.complete_job,
    ),
    _job("resume_job", "resume", "Go on with a job that is on hold."),
    shows("fetch_parts", "List parts.", PARTS, args("job_id status search", *PAGE)),
    _updates(
        "update_part",
        "Change a part. A change of `status` must be a legal transition.",
        PARTS,
        "part",
        "status current_cell_id drawing_no cnc_program_name is_bullet_card",
    ),
    shows("fetch_operations", "List operations.", OPERATIONS, args("part_id job_id status cell_id cell_name", *PAGE)),
    _updates(
        "update_operation",
        "Change an operation. A change of `status` must be a legal transition.",
        OPERATIONS,
        "operation",
        "status completion_percentage notes",
    ),
    shows(
        "fetch_tasks",
        "List operations under their old name, task.",
        OPERATIONS,
        args("part_id", _TASK_STATUS, Arg("assigned_to", "assigned_operator_id"), *PAGE),
    ),
    Tool(
        "update_task",
        "Change the state of an operation, or who is to do it, under its old name, task.",
        args("id*", _TASK_STATUS, Arg("assigned_to", "assigned_operator_id")),
        Target("PATCH", OPERATIONS, "operation"),
    ),
    _operation(
        "start_operation",
        "start",
        "Start an operation that has not begun or is on hold. `operator_id`: whose time runs.",
    ),
    _operation("pause_operation", "pause", "Pause an operation that is in progress."),
    Tool(
        "complete_operation",
        "Complete an operation that is in progress or on hold.",
        args("id* operator_id notes"),
        Target("POST", _OF_OPERATION.format("complete"), "operation", when="occurred_at"),
        work.complete_operation,
    ),
)

_STEPS = (
    shows(
        "fetch_substeps",
        "List the steps of an operation, in their order.",
        SUBSTEPS,
        args("operation_id* status", *PAGE),
    ),
    Tool(
        "add_substep",
        "Add a step to an operation; at the end unless `sequence` says where.",
        args("operation_id* name* sequence"),
        Target("POST", SUBSTEPS, "substep", when="created_at"),
    ),
    Tool(
        "complete_substep",
        "Tick off a step.",
        _ID,
        Target("PATCH", SUBSTEPS, "substep", {"status": "completed"}, when="completed_at"),
    ),
    _updates("update_substep", "Change a step.", SUBSTEPS, "substep", "name sequence status notes"),
    Tool("delete_substep", "Delete a step.", _ID, Target("DELETE", SUBSTEPS), work.delete_substep, destroys=True),
)

_QUALITY = (
    shows("fetch_issues", "List issues.", ISSUES, args("status severity operation_id", *PAGE)),
    shows(
        "fetch_ncrs",
        "List non-conformance reports.",
        ISSUES,
        args("status severity ncr_category", *PAGE),
        issue_type="ncr",
    ),
    Tool(
        "create_ncr",
        "Raise a non-conformance report about an operation.",
        args(
            "operation_id* title* severity* ncr_category* description affected_quantity disposition root_cause "
            "corrective_action preventive_action reported_by_id causes_standstill"
        ),
        Target("POST", ISSUES, "issue", {"issue_type": "ncr"}, when="created_at"),
        work.create_ncr,
    ),
    _updates(
        "update_issue",
        "Decide on an issue or say how it was solved.",
        ISSUES,
        "issue",
        "status severity resolution_notes root_cause corrective_action preventive_action",
    ),
    shows(
        "fetch_scrap_reasons",
        "List the reasons for scrap.",
        "/api-scrap-reasons",
        args("category", Arg("active", default=True), *PAGE),
    ),
    Tool(
        "report_quantity",
        "Report pieces made: good, scrap, rework.",
        args(
            "operation_id* quantity_good quantity_scrap quantity_rework scrap_reason_id material_lot notes recorded_by"
        ),
        Target("POST", QUANTITIES, "operation_quantity", when="recorded_at"),
    ),
    Tool(
        "report_scrap",
        "Report scrap, with its reason.",
        args(
            "operation_id* scrap_reason_id notes recorded_by",
            Arg("quantity_scrap", required=True, schema={"type": "integer", "minimum": 1, "maximum": 10_000_000}),
        ),
        Target("POST", QUANTITIES, "operation_quantity", when="recorded_at"),
    ),
)


def _report(name: str, report: str, about: str, names: str = "", *more: Arg) -> Tool:
    return shows(name, about, f"/reports/{report}", args(names, *more))


_REPORTS = (
    _report("get_dashboard_stats", "dashboard", "How many jobs, parts, operations and issues are in which state."),
    _report(
        "get_job_overview",
        "job_overview",
        "One job with parts, operations and how far it is. By id or number.",
        "job_id job_number include_operations include_issues",
    ),
    _report(
        "get_job_blockers",
        "blockers",
        "What keeps a job from moving on, and the way out. By id or number.",
        "job_id job_number",
    ),
    _report(
        "get_parts_due_soon",
        "parts_due_soon",
        "Parts that are due soon or late (`alerts.overdue_parts`), and what holds them up.",
        "due_within_days customer include_blocking_ops status_filter sort_by limit",
    ),
    _report(
        "get_shift_summary", "shift_summary", "What happened in the last hours, and who works now.", "hours cell_id"
    ),
    _report(
        "fetch_parts_by_customer",
        "parts_by_customer",
        "The parts of a customer (a part of the name), by job.",
        "customer* status include_completed limit",
    ),
    _report("get_qrm_data", "qrm", "Work in progress of each cell against its limit.", "cell_id"),
    Tool(
        "get_cell_capacity",
        "Open work of cells against their hours; for the next seven days unless `date_range` says otherwise.",
        args(
            "cell_id cell_name",
            Arg("include_all", schema={"type": "boolean"}),
            Arg(
                "date_range",
                schema={"type": "object", "properties": {"start": _DATE, "end": _DATE}, "additionalProperties": False},
            ),
        ),
        Target("GET", "/reports/cell_capacity"),
        work.cell_capacity,
    ),
    _report(
        "check_resource_availability",
        "resource_availability",
        "Tools, fixtures and the like: which are free, who needs them.",
        "resource_type location status only_available include_usage",
    ),
    _report(
        "suggest_reschedule",
        "reschedule",
        "A look ahead for a job or part: hours left, cells that are full, what would help.",
        "job_id job_number part_id target_date consider_capacity consolidate_with_customer",
    ),
    _report("get_issue_analytics", "issue_analytics", "Issues, grouped.", "days group_by"),
    _report("get_issue_trends", "issue_trends", "Issues by day or week.", "days interval"),
    _report("get_root_cause_analysis", "root_causes", "Root causes that come again.", "days min_occurrences"),
    _report(
        "suggest_quality_improvements",
        "quality_suggestions",
        "What stands out about quality, the most urgent first.",
        "focus_area days",
    ),
    _report("get_quality_score", "quality_score", "Quality as one number from 0 to 100.", "days"),
    _report(
        "get_production_metrics", "production", "What was completed in a period, and its yield.", "start_date end_date"
    ),
    _report("get_scrap_analytics", "scrap_analytics", "Scrap, grouped.", "days group_by"),
    _report("get_scrap_trends", "scrap_trends", "Good pieces and scrap by day or week.", "days interval"),
    _report("get_scrap_pareto", "scrap_pareto", "The reasons that make most of the scrap.", "days top_n"),
    _report("get_yield_metrics", "yields", "First-pass yield, scrap and rework, by cell.", "days cell_id"),
    _report("get_sync_status", "sync_status", "How this gateway and its links are doing: cloud, MQTT and the others."),
    _report(
        "explain_sync_delay", "why_behind", "Why the cloud is not up to date: what waits since when, and what helps."
    ),
    _report(
        "list_outbox", "outbox", "What waits for the cloud, and what it refused, with the reasons.", "reader limit"
    ),
    shows(
        "list_conflicts",
        "What this gateway and the cloud saw differently.",
        "/api-conflicts",
        args("open table", *PAGE),
    ),
)

TOOLS: tuple[Tool, ...] = (*_WORK, *_STEPS, *_QUALITY, *_REPORTS, *batch.TOOLS)
