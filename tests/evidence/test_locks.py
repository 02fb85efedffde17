"""What is installed and fetched is what the locks name, file by file: by hash, and in step with what is asked for."""

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


def entries(name: str) -> dict[str, tuple[str, list[str]]]:
    """Package -> its version and hashes; every line of the lock is one or the other."""
    found: dict[str, tuple[str, list[str]]] = {}
    hashes: list[str] = []
    for line in (LOCKS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if pin := re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([\w.]+)( ; [^\\]+)? \\", line):
            hashes = []
            found[pin[1]] = (pin[2], hashes)
        elif digest := re.fullmatch(r"    --hash=sha256:([0-9a-f]{64})( \\)?", line):
            hashes.append(digest[1])
        else:
            pytest.fail(f"{name}.txt: neither a package with one version nor a hash: {line}")
    return found


def asked(*groups: str) -> list[Requirement]:
    """What pyproject.toml wants, with every extra and these groups of it."""
    project = PROJECT["project"]
    extras = [need for needs in project["optional-dependencies"].values() for need in needs]
    chosen = [need for group in groups for need in PROJECT["dependency-groups"][group] if isinstance(need, str)]
    wanted = [Requirement(need) for need in project["dependencies"] + extras + chosen]
    return [one for one in wanted if one.name != OURS]


@pytest.mark.parametrize("name", ["runtime", "dev", "node"])
def test_every_package_has_one_version_and_its_hashes(name):
    locked = entries(name)
    assert locked
    assert [package for package, (_, hashes) in locked.items() if not hashes] == []


@pytest.mark.parametrize(("name", "groups"), [("runtime", ("build",)), ("dev", ("build", "dev"))])
def test_a_lock_is_in_step_with_what_the_project_asks_for(name, groups):
    locked = entries(name)
    wanted = asked(*groups)
    assert len(wanted) > 15
    for one in wanted:
        version, _ = locked[canonicalize_name(one.name)]
        assert one.specifier.contains(version), f"{one} is {version} in {name}.txt: make lock"


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_what_the_packages_themselves_need_is_in_the_lock(name):
    """As their installed metadata has it, for this machine and this Python."""
    locked, checked = entries(name), 0
    for package, (version, _) in locked.items():
        try:
            found = metadata.distribution(package)
        except metadata.PackageNotFoundError:  # of another system
            continue
        assert found.version == version, f"{package} {found.version} is installed, {name}.txt has {version}: make setup"
        for need in map(Requirement, found.requires or ()):
            if not need.marker or need.marker.evaluate({"extra": ""}):
                assert need.specifier.contains(locked[canonicalize_name(need.name)][0], prereleases=True), need
                checked += 1
    assert checked > 50


def test_what_the_build_needs_is_what_the_lock_has():
    locked = entries("runtime")
    for need in map(Requirement, PROJECT["build-system"]["requires"]):
        assert need.specifier.contains(locked[need.name][0])


def test_tests_run_on_the_versions_that_are_shipped():
    shipped, tested = entries("runtime"), entries("dev")
    assert {name: tested.get(name) for name in shipped} == shipped


# ------------------------------------------------------------------ npm


def npm(name: str) -> dict[str, Any]:
    return json.loads((NPM / name).read_text(encoding="utf-8"))


def test_every_npm_package_has_its_integrity_and_no_address():
    packages = {name: entry for name, entry in npm("package-lock.json")["packages"].items() if name}
    assert len(packages) > 20
    assert [name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_the_npm_lock_is_in_step_with_what_is_asked_for():
    manifest, lock = npm("package.json"), npm("package-lock.json")["packages"]
    for kind in ("dependencies", "devDependencies"):
        assert lock[""][kind] == manifest[kind]
        for name, version in manifest[kind].items():
            assert re.fullmatch(r"(npm:[@\w/-]+@)?\d+(\.\d+)+", version), f"{name} {version} is more than one version"
            assert lock[f"node_modules/{name}"]["version"] == version.rpartition("@")[2]


# ------------------------------------------------------------------ who installs


INSTALLERS = [
    file
    for pattern in ("docker/Dockerfile", "tools/*.py", "systemd/*", "docs/install.md")
    for file in sorted(ROOT.glob(pattern))
    if file.is_file() and re.search(r"pip\W+install|\bPIP\b", file.read_text(encoding="utf-8"))
]


def test_nothing_is_installed_without_its_hash():
    assert {"Dockerfile", "setup.py", "install.md"} <= {file.name for file in INSTALLERS}
    for file in INSTALLERS:
        text = re.sub(r"\\\n\s*", " ", file.read_text(encoding="utf-8"))
        for line in text.splitlines():
            if re.search(r"\s-r\s|, \"-r\",", line) and re.search(r"install|PIP", line):
                assert re.search(r"--require-hashes|\*HASHED", line), f"{file.name}: {line.strip()}"
    assert 'HASHED = ("--only-binary=:all:", "--require-hashes")' in (ROOT / "tools/setup.py").read_text()
