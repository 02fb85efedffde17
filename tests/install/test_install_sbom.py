"""The bill of materials names everything that the wheel and the lock bring, as it is installed, in the official form."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing
from packageurl import PackageURL
from packaging.requirements import Requirement

from gateway.admin import about, sbom
from gateway.kernel.errors import StartupError

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "tools" / "lock" / "runtime.txt").read_text()
NPM = json.loads((ROOT / "tools" / "npm" / "package-lock.json").read_text())["packages"]
VENDOR = ROOT / "gateway" / "screens" / "static" / "vendor"
OURS = "eryxon-gateway"
PLATFORM = {"python", "sqlite", "openssl", "mosquitto"}
LISTED = "import json; from importlib import metadata as m; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"


def pins() -> dict[str, str]:
    """Name -> version of what the lock has for this machine and this Python."""
    lines = re.findall(r"^(?=\w)(.+?) *\\?$", LOCK, re.MULTILINE)
    asked = [Requirement(line) for line in lines]
    return {one.name: str(one.specifier).removeprefix("==") for one in asked if not one.marker or one.marker.evaluate()}


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Path:
    """What `pip install -r runtime.txt` leaves, and nothing of what only tests want."""
    folder = tmp_path_factory.mktemp("locked")
    for name in pins():
        one = metadata.distribution(name)
        for top in {file.parts[0] for file in one.files or () if ".." not in file.parts} - {"__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(one.locate_file(top))
    return folder


@pytest.fixture(scope="module")
def asked(site, locked):
    """A Python that sees the wheel and the lock alone."""

    def ask(*words: str) -> str:
        environment = {"PYTHONPATH": f"{site}:{locked}", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        python = [sys.executable, "-S", *words]
        done = subprocess.run(python, env=environment, cwd=locked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


@pytest.fixture(scope="module")
def text(asked) -> str:
    return asked("-m", "gateway", "version", "--sbom")


@pytest.fixture(scope="module")
def bill(text) -> dict[str, Any]:
    return json.loads(text)


def of_kind(bill: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in bill["components"] if one["purl"].startswith(f"pkg:{kind}/")}


def test_it_is_valid_by_the_schema_of_cyclonedx(text):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"thing"', 1)) is not None


def test_it_has_every_installed_package_in_its_version_and_no_other(asked, bill):
    there = {about.normal(name): version for name, version in json.loads(asked("-c", LISTED))}
    assert there.pop(OURS) == bill["metadata"]["component"]["version"]
    assert there == pins()
    assert {name: one["version"] for name, one in of_kind(bill, "pypi").items()} == there


def test_each_package_has_the_hashes_of_the_lock(bill):
    for name, one in of_kind(bill, "pypi").items():
        block = re.search(rf"^{re.escape(name)}==.*\n((?:    --hash=.*\n)+)", LOCK, re.MULTILINE)[1]
        (reference,) = one["externalReferences"]
        assert {entry["content"] for entry in reference["hashes"]} == set(re.findall(r"sha256:(\w+)", block)), name


def test_what_npm_brought_has_the_integrity_of_its_lock_and_every_file(bill):
    packages = of_kind(bill, "npm")
    assert {"lit", "@lit/reactive-element", "dejavu-fonts-ttf", "node-opcua-nodesets", "uplot"} <= packages.keys()
    for name, one in packages.items():
        pinned = NPM[f"node_modules/{name}"]
        (reference,) = one["externalReferences"]
        digest = base64.b64encode(bytes.fromhex(reference["hashes"][0]["content"])).decode()
        assert (one["version"], f"sha512-{digest}") == (pinned["version"], pinned["integrity"])
    files = {one["name"]: one["hashes"][0]["content"] for package in packages.values() for one in package["components"]}
    shipped = [file for file in VENDOR.rglob("*") if file.is_file() and file.name != "VENDOR.json"]
    assert len(shipped) > 100
    for file in shipped:
        assert files[str(file.relative_to(VENDOR))] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "opc.ua.isa95-jobcontrol.nodeset2.xml" in files


def test_no_licence_is_unknown_and_what_looks_like_an_expression_is_one(bill):
    spdx = get_spdx_licensing()
    for one in bill["components"]:
        (licence,) = one["licenses"]
        if "expression" in licence:
            assert not spdx.validate(licence["expression"]).errors, one["name"]
        else:
            assert len(licence["license"]["name"]) > 2, one["name"]


def test_each_has_an_address_by_which_advisories_find_it(bill):
    for one in [bill["metadata"]["component"], *bill["components"]]:
        found = PackageURL.from_string(one["purl"])
        assert "/".join(filter(None, (found.namespace, found.name))) == one["name"]
        assert found.version == one.get("version")


def test_what_the_machine_brings_is_told_apart(bill):
    brought = of_kind(bill, "generic")
    assert brought.keys() == PLATFORM
    assert {one["properties"][0]["value"] for one in brought.values()} == {"operating system"}
    assert brought["python"]["version"] == sys.version.split()[0]


def test_who_needs_what_leads_to_everything(bill):
    tree = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    parts = {one["bom-ref"] for one in bill["components"]}
    assert {need for needs in tree.values() for need in needs} <= parts
    reached, waiting = set(), [bill["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += tree.get(ref, [])
    alone = {one["name"] for one in bill["components"] if one["bom-ref"] not in reached}
    assert alone <= {
        "hatchling",
        "editables",
        "pathspec",
        "pluggy",
        "trove-classifiers",
        "packaging",
        "pip",
    }  # to build


def test_the_same_installation_has_the_same_bill(asked, text, bill, tmp_path):
    assert asked("-m", "gateway", "version", "--sbom") == text
    asked("-m", "gateway.admin.sbom", str(tmp_path / "sbom.cdx.json"))
    released = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert sbom.released()["components"] == released["components"]  # also where the packages of the tests are
    assert released["serialNumber"] != bill["serialNumber"]  # that one has the versions of this machine
    assert of_kind(released, "pypi") == of_kind(bill, "pypi")
    assert not any("version" in one for one in of_kind(released, "generic").values())


def test_a_release_is_not_described_by_other_versions_than_its_lock_has(monkeypatch):
    name, (version, hashes) = next(iter(sbom._lock().items()))
    monkeypatch.setattr(sbom, "_lock", lambda: {name: (version + ".post1", hashes)})
    with pytest.raises(StartupError, match=rf"another version than the lock has: {name}; `make setup` first"):
        sbom.released()
    (one,) = [part for part in sbom.installed()["components"] if part["name"] == name]
    assert "externalReferences" not in one  # of what is not the lock's no hash is known
