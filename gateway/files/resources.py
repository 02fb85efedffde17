"""How the table of files is written. No route shows it: clients know files by the rows that list their paths."""

from gateway.catalog.resources import Column, Kind, Resource

FILES = Resource(
    table="files",
    path="",
    singular=("file",),
    columns=(
        Column("bucket"),
        Column("path"),
        Column("content_type"),
        Column("size_bytes", Kind.INTEGER),
        Column("sha256"),
        Column("created_at", Kind.TIME, nullable=False),
        Column("uploaded_by", Kind.UUID),
    ),
)
