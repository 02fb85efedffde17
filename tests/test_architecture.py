"""Imports point down (docs/architecture.md), and what only one file may do, only that file does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(file for top in ("gateway", "plugins") for file in (ROOT / top).rglob("*.py"))
LINES_MAX = 400

# Who may import whom, below `gateway`. A name that is not here may not exist: say where it stands first.
TOOLS = {"kernel", "outbox"}
WORK = TOOLS | {"web"}
FRAME = {"capacity", "examples", "status", "identity", "housekeeping", "timekeeping", "systemd"}
START = {"starts", "error_page"}
MAY = {
    "kernel": set(),
    "outbox": {"kernel"},
    "web": TOOLS,
    "values": set(),
    "cloud_section": {"values"},
    "sections": {"cloud_section", "values"},
    "credentials": {"kernel"},
    "sealed": {"kernel", "values"},
    "settings": {"cloud_section", "kernel", "credentials", "sealed", "sections", "values"},
    "configuration": {"kernel", "sealed", "settings"},
    "catalog": WORK,
    "jobs": WORK | {"catalog"},
    "operations": WORK | {"catalog", "jobs"},
    "issues": WORK | {"catalog", "jobs", "operations"},
    "batches": WORK | {"catalog", "jobs", "operations"},
    "replays": WORK | {"catalog"},
    "webhooks": WORK | {"catalog", "replays"},
    "publishers": WORK | {"catalog", "replays", "uns"},
    "keys": WORK | {"catalog"},
    "mcp_keys": WORK | {"catalog"},
    "reports": WORK | {"catalog"},
    "files": WORK | {"catalog", "jobs", "operations"},
    "terminals": WORK | {"catalog", "jobs", "operations", "issues", "batches", "files"},
    "screens": WORK
    | {"catalog", "operations", "issues", "files", "hub", "sections", "terminals"}
    | {"admin", "mcp_keys", "ops", "tls", "transfer"},
    "tls": {"kernel"},
    "machines": WORK | {"catalog", "jobs", "operations", "issues", "sections"},
    "uns": WORK | {"settings", "machines", "replays", "tls", "values"},
    "sparkplug": TOOLS | {"settings", "machines", "uns"},
    "cloud": TOOLS | {"catalog", "jobs", "operations", "files"},
    "conflicts": WORK | {"catalog", "jobs", "operations", "cloud"},
    "transfer": WORK | {"catalog", "jobs", "operations", "issues", "batches", "webhooks", "publishers"} | {"terminals"},
    "erp": WORK | {"catalog", "jobs", "operations", "transfer"},
    "hub": WORK | {"catalog", "jobs", "files", "transfer"},
    "realtime": WORK | {"catalog", "hub"},
    "upstream": TOOLS | {"catalog", "cloud", "files", "hub", "jobs", "operations"},
    "status": TOOLS | {"cloud", "hub"},
    "identity": TOOLS,
    "metrics": WORK | {"backups", "settings", "tls"},
    "inbound": WORK,
    "examples": set(),
    "capacity": {"kernel"},
    "housekeeping": TOOLS | {"cloud", "publishers", "settings", "webhooks"},
    "timekeeping": TOOLS | {"catalog", "jobs", "operations", "batches", "transfer"},
    "systemd": {"kernel", "settings"},
    "repairs": TOOLS | {"backups", "updates", "cloud", "configuration", "sealed", "sections", "settings", "tls", "uns"},
    "support": {"kernel", "settings"},
    "backups": TOOLS | {"sealed", "settings", "identity"},
    "updates": TOOLS | {"backups", "settings"},
    "opening": {"backups", "kernel", "settings"},
    "listening": {"kernel", "settings", "tls", "web"},
    "starts": {"kernel"},
    "error_page": WORK | {"listening", "settings", "systemd"},
    "plugin_api": WORK | {"mcp_keys", "values"},
    "plugin_host": WORK | {"machines", "mcp_keys", "plugin_api"},
    "ops": WORK | {"configuration", "settings", "uns"},
    "uplinks": TOOLS | {"api", "cloud", "identity", "settings", "upstream"},
    "admin": WORK
    | {
        "backups",
        "cloud",
        "configuration",
        "ops",
        "settings",
        "status",
        "catalog",
        "conflicts",
        "machines",
        "transfer",
        "keys",
        "uns",
        "mcp_keys",
        "plugin_host",
        "replays",
        "terminals",
        "repairs",
        "support",
    },
    "api": WORK
    | {"examples", "settings", "catalog", "jobs", "operations", "files", "issues", "batches", "webhooks", "keys", "erp"}
    | {"transfer", "hub", "conflicts", "inbound", "machines", "publishers", "uns", "mcp_keys", "replays", "reports"}
    | {"terminals"},
    "app": WORK
    | FRAME
    | {
        "backups",
        "settings",
        "listening",
        "opening",
        "admin",
        "api",
        "catalog",
        "operations",
        "files",
        "keys",
        "cloud",
        "hub",
        "machines",
        "mcp_keys",
        "metrics",
        "plugin_host",
        "reports",
        "uns",
        "publishers",
        "realtime",
        "webhooks",
        "sparkplug",
        "terminals",
        "tls",
        "transfer",
        "configuration",
        "ops",
        "repairs",
        "screens",
        "uplinks",
    },
    "demo": {"kernel", "uns"},
    "cli": WORK
    | FRAME
    | START
    | {"settings", "opening", "admin", "api", "app", "backups", "transfer", "demo", "tls", "uns", "values", "hub"}
    | {"configuration", "ops", "sealed"}
    | {"mcp_keys", "plugin_api", "plugin_host", "repairs", "reports", "support", "terminals", "updates"},
    "__main__": {"cli"},
    "__init__": set(),
    "plugins": {"plugin_api"},
}


def unit(file: Path) -> str:
    top, *rest = file.relative_to(ROOT).parts
    return "plugins" if top == "plugins" else rest[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """Full names, those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def users(name: str) -> set[str]:
    """The files that import this name, or something below it."""
    return {
        str(file.relative_to(ROOT))
        for file in FILES
        if any(one == name or one.startswith(name + ".") for one in imported(file))
    }


def saying(words: str) -> set[str]:
    return {str(file.relative_to(ROOT)) for file in FILES if re.search(words, file.read_text())}


@pytest.mark.parametrize("name", sorted({unit(file) for file in FILES}))
def test_imports_point_down(name):
    found = {
        (str(file.relative_to(ROOT)), one)
        for file in FILES
        if unit(file) == name
        for one in imported(file)
        if one.startswith("gateway.") and one.split(".")[1] not in MAY[name] | {name, "__version__"}
    }
    assert found == set()


def test_the_order_has_no_circle():
    left = dict(MAY)
    while left:
        free = [name for name, may in left.items() if not may & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_go(file):
    assert len(file.read_text().splitlines()) <= LINES_MAX


def test_only_the_settings_read_the_environment():
    assert saying(r"\bos\.(environ|getenv)\b") == {"gateway/settings.py"}


def test_only_one_file_each_speaks_a_protocol():
    assert users("aiomqtt") == {"gateway/uns/client.py"}
    sessions = {file for file in saying(r"\bClientSession\(") if not file.startswith("gateway/demo/")}
    assert sessions == {
        "gateway/cloud/client.py",
        "gateway/upstream/client.py",
        "gateway/webhooks/posting.py",
        "plugins/mtconnect/agent.py",
        "gateway/admin/client.py",  # our own socket
        "gateway/updates/trial.py",  # a gateway of our own, on trial
    }
    assert saying(r"\bsqlite3\.connect\(") == {"gateway/kernel/connection.py"}


def test_everything_is_caught_only_where_somebody_tries_again_or_answers():
    assert saying(r"except \(?(Exception|BaseException)\b") == {
        "gateway/kernel/db.py",  # a command that fails takes only itself back
        "gateway/kernel/migrate.py",  # a migration that fails is rolled back
        "gateway/kernel/supervise.py",
        "gateway/plugin_host/host.py",  # a plugin that fails touches nobody else
        "gateway/plugin_host/reader.py",  # an event that it fails on again and again is set aside
        "gateway/web/server.py",
        "gateway/web/inside.py",  # the same for a call inside another one
        "gateway/uns/inbound/receiver.py",  # a message that fails is refused: raised it would come again for ever
        "gateway/cli/serve.py",  # a start that fails again and again: a page says so
        "gateway/cloud/uplink.py",  # an event that fails again and again is parked
        "gateway/upstream/uplink.py",  # a request that fails is made again later
    }


def test_what_writes_to_the_database_asks_for_a_transaction():
    wrong = [f"{file}:{line}" for file in FILES if unit(file) != "kernel" for line in untyped_writes(file.read_text())]
    assert wrong == []


def test_that_check_sees_a_write_without_one():
    honest = 'SAVE = "UPDATE a SET b = 1"\ndef save(tx: Tx):\n    tx.execute(SAVE)\n'
    assert list(untyped_writes(honest)) == []
    assert list(untyped_writes(honest.replace("tx: Tx", "tx"))) == [3]
    assert list(untyped_writes('def put(tx, t):\n    tx.executemany(f"INSERT INTO {t}" + "()", [])\n')) == [2]


def untyped_writes(source: str) -> Iterator[int]:
    """Lines with a writing statement that is run on something that is no parameter of type Tx."""
    tree = ast.parse(source)
    texts = {
        target.id: written(node.value, {})
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        typed = {
            arg.arg for arg in function.args.args if isinstance(arg.annotation, ast.Name) and arg.annotation.id == "Tx"
        }
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            on = call.func
            if (
                isinstance(on, ast.Attribute)
                and on.attr in ("execute", "executemany")
                and isinstance(on.value, ast.Name)
            ):
                statement = written(call.args[0], texts).strip().upper()
                if statement.startswith(("INSERT", "UPDATE", "DELETE", "REPLACE")) and on.value.id not in typed:
                    yield call.lineno


def written(node: ast.expr, texts: dict[str, str]) -> str:
    """The beginning of a statement, as far as it can be read here."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return written(node.values[0], texts)
    if isinstance(node, ast.BinOp):
        return written(node.left, texts)
    return texts.get(node.id, "") if isinstance(node, ast.Name) else ""
