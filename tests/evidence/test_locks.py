"""The locks are in step with what is asked for, and whoever installs goes by them. Their form: tests/test_setup.py."""

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "tools" / "lock"
NPM = ROOT / "tools" / "npm"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = "eryxon-gateway"


def locked(name: str) -> dict[str, str]:
    """Package -> its version."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE))


def asked(*groups: str) -> list[Requirement]:
    """What pyproject.toml wants, with every extra and these groups of it."""
    project = PROJECT["project"]
    extras = [need for needs in project["optional-dependencies"].values() for need in needs]
    chosen = [need for group in groups for need in PROJECT["dependency-groups"][group] if isinstance(need, str)]
    wanted = [Requirement(need) for need in project["dependencies"] + extras + chosen]
    return [one for one in wanted if one.name != OURS]


@pytest.mark.parametrize(("name", "groups"), [("runtime", ("build",)), ("dev", ("build", "dev"))])
def test_a_lock_has_versions_that_the_project_asks_for(name, groups):
    versions, wanted = locked(name), asked(*groups)
    assert len(wanted) > 15
    for one in wanted:
        version = versions[canonicalize_name(one.name)]
        assert one.specifier.contains(version), f"{one} is {version} in {name}.txt: make lock"


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_what_the_packages_themselves_need_is_in_the_lock(name):
    """As their installed metadata has it, for this machine and this Python."""
    versions, checked = locked(name), 0
    for package, version in versions.items():
        try:
            found = metadata.distribution(package)
        except metadata.PackageNotFoundError:  # of another system
            continue
        assert found.version == version, f"{package} {found.version} is installed, {name}.txt has {version}: make setup"
        for need in map(Requirement, found.requires or ()):
            if not need.marker or need.marker.evaluate({"extra": ""}):
                assert need.specifier.contains(versions[canonicalize_name(need.name)], prereleases=True), need
                checked += 1
    assert checked > 50


def test_what_the_build_needs_is_what_the_lock_has():
    for need in map(Requirement, PROJECT["build-system"]["requires"]):
        assert need.specifier.contains(locked("runtime")[need.name])


def npm(name: str) -> dict[str, Any]:
    return json.loads((NPM / name).read_text(encoding="utf-8"))


def test_the_npm_lock_is_that_of_the_manifest():
    manifest, packages = npm("package.json"), npm("package-lock.json")["packages"]
    for kind in ("dependencies", "devDependencies"):
        assert packages[""][kind] == manifest[kind]
        assert {name: packages[f"node_modules/{name}"]["version"] for name in manifest[kind]} == {
            name: wanted.rpartition("@")[2] for name, wanted in manifest[kind].items()
        }


INSTALLERS = [
    file
    for pattern in ("docker/Dockerfile", "tools/*.py", "systemd/*", "docs/install.md")
    for file in sorted(ROOT.glob(pattern))
    if file.is_file() and re.search(r"pip\W+install|\bPIP\b", file.read_text(encoding="utf-8"))
]


def test_whoever_installs_from_a_lock_checks_every_hash():
    assert {"Dockerfile", "setup.py"} <= {file.name for file in INSTALLERS}
    assert 'HASHED = ("--only-binary=:all:", "--require-hashes")' in (ROOT / "tools/setup.py").read_text()
    for file in INSTALLERS:
        text = re.sub(r"\\\n\s*", " ", file.read_text(encoding="utf-8"))
        for line in text.splitlines():
            if re.search(r"\s-r\s|, \"-r\",", line) and re.search(r"install|PIP", line):
                assert re.search(r"--require-hashes|\*HASHED", line), f"{file.name}: {line.strip()}"
