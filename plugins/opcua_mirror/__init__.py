"""The hall for SCADA and MES over OPC UA: cells, what is worked on, and ISA-95 Job Control. See docs/opcua.md."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.plugin_api import Config, Context, Parts, Plugin, Port
from plugins.opcua_mirror import verbs

JOB_LIST_MAX = 500


class Settings(Config):
    """`insecure_readonly`: whoever reaches the port may read, without encryption. `sign`: clients may leave out encryption.
    `user_certificates`: people may log in by a certificate of their own instead of a password.

    `start_head`: Start without an operation takes the first of the queue. `nodeset_dir`: where the nodeset of ISA-95 Job Control
    lies, if not in the package.
    """

    host: str = "127.0.0.1"
    port: Port = 4840
    max_cells_mirrored: Annotated[int, Field(ge=1, le=1000)] = 100
    job_list_max: Annotated[int, Field(ge=1, le=JOB_LIST_MAX)] = 100
    locale: str = "en"
    stop_means: Literal["complete", "pause"] = "complete"
    start_head: bool = False
    insecure_readonly: bool = False
    sign: bool = False
    user_certificates: bool = False
    nodeset_dir: Path | None = None


def _build(context: Context[Settings]) -> Parts:
    from plugins.opcua_mirror.mirror import Mirror  # noqa: PLC0415 -- the library costs 50 MB: only when it is switched on

    return Parts(Mirror(context).run)


plugin = Plugin(Settings, _build, verbs=verbs.VERBS)
