"""The bill of materials (CycloneDX 1.6, JSON): everything that runs here, and what the machine has to bring.

`installed` is about this box; `python -m gateway.admin.sbom FILE` about a release: what the lock asks for, as far as it
is installed.
Without time and chance: the same installation has the same bill, to the byte.
"""

import base64
import json
import platform
import re
import sqlite3
import ssl
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.admin.about import OURS, UNKNOWN, distributions, licence, normal
from gateway.kernel.errors import StartupError

Component = dict[str, Any]
Locked = tuple[str, list[str]]  # version, sha256 of every file that may be installed

_TOP = Path(__file__).parents[2]
_LOCKS = (_TOP / "gateway" / "runtime.txt", _TOP / "tools" / "lock" / "runtime.txt")  # in a wheel, in a clone
_FETCHED = ("gateway/screens/static/vendor/VENDOR.json", "plugins/opcua_mirror/nodesets/VENDOR.json")
_SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_PIN = re.compile(r"([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NEED = re.compile(r"([\w.-]+)(?:\[([^]]*)\])?")
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)")


def installed() -> dict[str, Any]:
    """Every Python package that is installed beside us, plugins included, and this machine's Python, SQLite and OpenSSL."""
    return _bill(distributions(), _brought(here=True))


def released() -> dict[str, Any]:
    """What a release brings: the packages of the lock. What the machine brings has no version yet. Raises StartupError."""
    pinned = _lock()
    ours = {name: one for name, one in distributions().items() if name in pinned or name == OURS}
    if other := [name for name, one in ours.items() if name != OURS and one.version != pinned[name][0]]:
        raise StartupError(f"installed in another version than the lock has: {', '.join(other)}; `make setup` first")
    return _bill(ours, _brought(here=False))


def _bill(packages: Mapping[str, metadata.Distribution], brought: list[Component]) -> dict[str, Any]:
    pinned = _lock()
    python = {name: _package(name, one, pinned.get(name)) for name, one in sorted(packages.items()) if name != OURS}
    browser = _fetched()
    refs = {name: one["bom-ref"] for name, one in python.items()}
    us = f"pkg:pypi/{OURS}@{__version__}"
    below = [*browser, *brought]
    asked = _extras(packages.values())
    tree = {refs.get(name, us): _needs(one, refs, asked[name]) for name, one in packages.items()}
    tree.setdefault(us, []).extend(one["bom-ref"] for one in below)
    content = {
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": us,
                "supplier": {"name": "The eryxon-gateway authors"},
                "name": OURS,
                "version": __version__,
                "licenses": [{"expression": "Apache-2.0"}],
                "purl": us,
            }
        },
        "components": [*python.values(), *below],
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(needs))} for ref, needs in sorted(tree.items())],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    schema = "http://cyclonedx.org/schema/bom-1.6.schema.json"
    head = {"$schema": schema, "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}"}
    return {**head, "version": 1, **content}


# ---------------------------------------------------------------- Python packages


def _lock() -> dict[str, Locked]:
    """By name, as it is installed with `--require-hashes`."""
    found: dict[str, Locked] = {}
    hashes: list[str] = []
    file = next(file for file in _LOCKS if file.is_file())
    for line in file.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            hashes = []
            found[pin[1]] = (pin[2], hashes)
        hashes += _HASH.findall(line)
    return found


def _package(name: str, one: metadata.Distribution, pinned: Locked | None) -> Component:
    made = _library(f"pkg:pypi/{name}@{one.version}", name, one.version, licence(one))
    if pinned and pinned[0] == one.version:
        hashes = [{"alg": "SHA-256", "content": digest} for digest in sorted(pinned[1])]
        made["externalReferences"] = [
            {
                "type": "distribution",
                "url": made["purl"],  # whichever index it was taken from
                "comment": "one of these files",
                "hashes": hashes,
            }
        ]
    return made


def _extras(packages: Iterable[metadata.Distribution]) -> dict[str, set[str]]:
    """Of each package those that another one asks for; of ours all."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in packages:
        for need in one.requires or ():
            if named := _NEED.match(need):
                found[normal(named[1])] |= set(filter(None, re.split(r"[\s,]+", named[2] or "")))
    found[OURS] = set(metadata.metadata(OURS).get_all("Provides-Extra") or ())
    return found


def _needs(one: metadata.Distribution, refs: Mapping[str, str], extras: set[str]) -> list[str]:
    """What it asks for of what is there; of an extra only when that is asked for."""
    needs = [need for need in one.requires or () if not (of := _EXTRA.search(need)) or of[1] in extras]
    return [refs[name] for need in needs if (found := _NEED.match(need)) and (name := normal(found[1])) in refs]


# ---------------------------------------------------------------- what npm brought, and what the machine brings


def _fetched() -> list[Component]:
    """Browser libraries, fonts, icons, the nodeset: each package with its files; none where set-up could not fetch them."""
    packages: dict[str, list[dict[str, str]]] = defaultdict(list)
    for name in _FETCHED:
        if (file := _TOP / name).is_file():
            for entry in json.loads(file.read_text(encoding="utf-8"))["files"]:
                packages[entry["package"]].append(entry)
    return [_npm(name, packages[name]) for name in sorted(packages)]


def _npm(name: str, files: Iterable[Mapping[str, str]]) -> Component:
    files = sorted(files, key=lambda entry: entry["file"])
    version, integrity = files[0]["version"], files[0]["integrity"].removeprefix("sha512-")
    made = _library(f"pkg:npm/{name.replace('@', '%40')}@{version}", name, version, files[0]["licence"])
    made["externalReferences"] = [
        {
            "type": "distribution",
            "url": made["purl"],
            "hashes": [{"alg": "SHA-512", "content": base64.b64decode(integrity).hex()}],
        }
    ]
    made["components"] = [
        {"type": "file", "name": entry["file"], "hashes": [{"alg": "SHA-256", "content": entry["sha256"]}]}
        for entry in files
    ]
    return made


def _brought(*, here: bool) -> list[Component]:
    """Of the operating system or the image: updated there. Mosquitto's version is known to who installed it."""
    openssl = ssl.OPENSSL_VERSION.split()[1]
    found = (
        ("platform", "python", platform.python_version(), "PSF-2.0", "required"),
        ("library", "sqlite", sqlite3.sqlite_version, "blessing", "required"),
        ("library", "openssl", openssl, "Apache-2.0", "required"),
        ("application", "mosquitto", "", "EPL-2.0 OR BSD-3-Clause", "optional"),
    )
    listed = []
    for kind, name, version, licensed, scope in found:
        known = version if here else ""
        ref = f"pkg:generic/{name}@{known}" if known else f"pkg:generic/{name}"
        made = _library(ref, name, known, licensed) | {"type": kind, "scope": scope}
        listed.append(made | {"properties": [{"name": "eryxon-gateway:brought-by", "value": "operating system"}]})
    return listed


def _library(purl: str, name: str, version: str, licensed: str) -> Component:
    made: Component = {"type": "library", "bom-ref": purl, "name": name}
    if version:
        made["version"] = version
    if licensed != UNKNOWN:
        words: dict[str, Any] = {"license": {"name": licensed}}
        made["licenses"] = [{"expression": licensed} if _SPDX.fullmatch(licensed) else words]
    return made | {"purl": purl}


def written(bill: Mapping[str, Any]) -> str:
    return json.dumps(bill, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(released()) + "\n", encoding="utf-8")
