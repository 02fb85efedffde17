"""A folder into which an ERP drops files: CSV and JSON are taken over as by `/api-<name>/bulk-sync`."""

from pathlib import Path

from gateway.plugin_api import Config, Context, Parts, Plugin
from plugins.csv_dropbox.box import DropBox


class Settings(Config):
    """`folder`: it has to be there. `external_source`: of records that name none."""

    folder: Path
    external_source: str = "erp"


def build(context: Context[Settings]) -> Parts:
    box = DropBox(context.config.folder, context.config.external_source, context)
    return Parts(box.run)


plugin = Plugin(Settings, build)
