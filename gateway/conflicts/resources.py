"""How a conflict looks from outside."""

from gateway.catalog.resources import Column, Kind, Resource

RESOLUTIONS = ("local", "cloud", "dropped")

# A conflict is a matter of the cells of its row; rows that belong to no cell are shown to everybody, and so are theirs.
_BELOW = " UNION ALL ".join(
    f"SELECT o.cell_id FROM {table} b JOIN operations o ON o.id = b.operation_id WHERE b.id = cloud_conflicts.row_id"  # nosec B608 # noqa: S608 -- constants only
    for table in ("time_entries", "operation_quantities", "issues", "substeps")
)
_CELLS = f"""SELECT o.cell_id FROM operations o WHERE o.id = cloud_conflicts.row_id
  UNION ALL SELECT o.cell_id FROM operations o WHERE o.part_id = cloud_conflicts.row_id
  UNION ALL SELECT o.cell_id FROM parts p JOIN operations o ON o.part_id = p.id WHERE p.job_id = cloud_conflicts.row_id
  UNION ALL SELECT o.cell_id FROM assignments a JOIN operations o ON o.part_id = a.part_id WHERE a.id = cloud_conflicts.row_id
  UNION ALL SELECT o.cell_id FROM assignments a JOIN parts p ON p.job_id = a.job_id JOIN operations o ON o.part_id = p.id
    WHERE a.part_id IS NULL AND a.id = cloud_conflicts.row_id
  UNION ALL {_BELOW}
  UNION ALL SELECT c.id FROM cells c WHERE c.id = cloud_conflicts.row_id
    OR cloud_conflicts.table_name IN ('resources', 'scrap_reasons', 'substep_templates')"""  # nosec B608 # noqa: S608 -- constants only

CONFLICTS = Resource(
    table="cloud_conflicts",
    path="/api-conflicts",
    singular=("conflict",),
    listed_as="conflicts",
    tenant=False,
    cell=_CELLS,
    columns=(
        Column("entity", nullable=False, stored="cloud_conflicts.table_name", about="The table of the row."),
        Column("row_id", Kind.UUID, nullable=False),
        Column(
            "field",
            nullable=False,
            about="`id`: the cloud's row as a whole does not fit in here; `deleted_at`: the cloud does not show it any more.",
        ),
        Column("reason", nullable=False, about="For people."),
        Column("open", Kind.BOOLEAN, nullable=False, stored="cloud_conflicts.resolution IS NULL"),
        Column("resolution", choices=RESOLUTIONS, about="Whose value it is now; null: it waits for a person."),
        Column("resolved_by", about="`rule`, or the name of the key."),
        Column("found_at", Kind.TIME, nullable=False),
        Column("resolved_at", Kind.TIME),
    ),
    derived={"conflict_id": "{t}.id", "local": "json({t}.local)", "cloud": "json({t}.cloud)"},
    filters={
        "open": "(cloud_conflicts.resolution IS NULL) = {}",
        "table": "cloud_conflicts.table_name",
        "row_id": "cloud_conflicts.row_id",
    },
    sort=("found_at", "resolved_at"),
    default_sort=(("found_at", "DESC"),),
)
