"""What `make setup` promises: pinned by hash and without addresses, quick when done, and no step left half done."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "tools" / "lock"
PACKAGE_LOCK = ROOT / "tools" / "npm" / "package-lock.json"
NODESET = "opc.ua.isa95-jobcontrol.nodeset2.xml"


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "tools")
    return load("setup")


@pytest.fixture
def assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """With a folder of its own, and an npm that needs no registry: it brings the folder `offered`."""
    module = load("assets")
    monkeypatch.setattr(module, "WORK", tmp_path / "npm")
    monkeypatch.setattr(module, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(module, "NODESETS", tmp_path / "nodesets")
    monkeypatch.setattr(module, "WANTED", [wanted for wanted in module.WANTED if wanted[0] == "swagger-ui-dist"])
    nodesets = tmp_path / "offered" / "node-opcua-nodesets"
    (nodesets / "nodesets").mkdir(parents=True)
    (nodesets / "package.json").write_text('{"version": "2.182.0", "license": "MIT"}')
    for name in (f"nodesets/{NODESET}", f"nodesets/{NODESET}.ndjson.gz", "LICENSE"):
        (nodesets / name).write_text(f"content of {name}")
    offered = tmp_path / "offered" / "swagger-ui-dist"
    offered.mkdir(parents=True)
    (offered / "package.json").write_text('{"version": "5.35.0", "license": "Apache-2.0"}')
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "install.js"):
        (offered / name).write_text(f"content of {name}")
    copy = "import shutil; shutil.copytree('../offered', 'node_modules', dirs_exist_ok=True)"
    monkeypatch.setattr(module, "npm_command", lambda: [sys.executable, "-c", copy])
    return module


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def locked(name: str) -> dict[str, str]:
    """Requirement -> its version, for every entry of a lock; an entry without a hash fails here."""
    entries = (LOCKS / name).read_text().replace("\\\n", " ").splitlines()
    versions = {}
    for entry in filter(None, entries):
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ;.+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry
        package, _, version = entry.split()[0].partition("==")
        versions[package] = version
    return versions


# ---------------------------------------------------------------- locks
@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "node.txt", "pip.txt"])
def test_every_locked_python_package_has_a_version_and_hashes(name: str) -> None:
    assert locked(name)


@pytest.mark.parametrize("file", [*sorted(LOCKS.iterdir()), PACKAGE_LOCK], ids=lambda file: file.name)
def test_a_lock_names_no_address_and_no_index(file: Path) -> None:
    text = file.read_text()
    if file == PACKAGE_LOCK:  # whom one may give money to is no place to fetch from
        text = json.dumps([entry | {"funding": None} for entry in json.loads(text)["packages"].values()])
    assert "://" not in text
    assert not re.search(r"(index-url|find-links|trusted-host)", text)


def test_going_from_the_demo_to_the_tests_changes_no_version() -> None:
    assert locked("runtime.txt").items() <= locked("dev.txt").items()


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    groups = project["dependency-groups"]
    runtime = [*project["project"]["dependencies"], *(r for extra in extras.values() for r in extra), *groups["build"]]
    dev = [requirement for requirement in groups["dev"] if isinstance(requirement, str)]

    def names(requirements: list[str]) -> set[str]:
        found = {re.split(r"[\[<>=~;! ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}
        return found - {project["project"]["name"]}

    assert names(runtime) <= locked("runtime.txt").keys()
    assert names(dev) <= locked("dev.txt").keys()


def test_every_locked_npm_package_has_an_integrity_and_no_address() -> None:
    packages = {path: entry for path, entry in json.loads(PACKAGE_LOCK.read_text())["packages"].items() if path}
    assert packages
    for path, entry in packages.items():
        assert entry.get("integrity", "").startswith("sha512-"), f"{path}: npm accepts this entry unchecked"
        assert "resolved" not in entry, path


def test_npm_packages_are_asked_for_in_the_exact_version_that_is_locked() -> None:
    wanted = json.loads((ROOT / "tools" / "npm" / "package.json").read_text())
    asked = wanted["dependencies"] | wanted["devDependencies"]
    packages = json.loads(PACKAGE_LOCK.read_text())["packages"]
    asked = {name: version.rpartition("@")[2] for name, version in asked.items()}  # some have another name here
    assert asked == {name: packages[f"node_modules/{name}"]["version"] for name in asked}


# ---------------------------------------------------------------- stamps
def test_a_step_is_due_until_its_stamp_is_written(setup: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1")
    stamp = setup.Stamp(tmp_path / ".made", lock)
    assert not stamp.holds()
    stamp.write()
    assert setup.Stamp(tmp_path / ".made", lock).holds()


def test_a_changed_lock_makes_the_step_due_again(setup: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1")
    setup.Stamp(tmp_path / ".made", lock).write()
    lock.write_text("a==2")
    assert not setup.Stamp(tmp_path / ".made", lock).holds()


def test_a_moved_clone_or_another_python_makes_the_step_due_again(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.Stamp(tmp_path / ".made").write()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(setup, "ROOT", tmp_path / "moved")
        assert not setup.Stamp(tmp_path / ".made").holds()
    with monkeypatch.context() as upgraded:
        upgraded.setattr(setup.sys, "version", "3.99.0")
        assert not setup.Stamp(tmp_path / ".made").holds()
    assert setup.Stamp(tmp_path / ".made").holds()


# ---------------------------------------------------------------- steps
def test_what_is_not_to_be_had_is_told_and_the_rest_goes_on(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    for step in ("virtual_environment", "packages", "browser_libraries", "project"):
        monkeypatch.setattr(setup, step, lambda *_, step=step, **__: done.append(step))
    monkeypatch.setattr(setup, "CACHE", tmp_path)
    monkeypatch.setattr(setup, "on_this_machine", lambda _: False)
    monkeypatch.setattr(setup.PrivateApt, "usable", staticmethod(lambda: False))

    assert setup.set_up(setup.PrivateApt(tmp_path / "apt"), tests=False) == ["Mosquitto", "curl"]

    assert done == ["virtual_environment", "packages", "browser_libraries", "project"]
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "Mosquitto: not to be had" in line]
    assert "no apt here to take mosquitto, mosquitto-clients from" in told
    assert "embedded broker" in told


def test_sources_that_cannot_be_reached_are_told_in_one_line_and_asked_once(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("apt-get", "dpkg-deb"):
        program = tmp_path / name
        program.write_text(
            f"#!/bin/sh\necho asked >> '{asked}'\necho 'W: old list'\necho 'E: Could not connect to mirror'\n"
            "echo 'E: Some index files failed'\nexit 100\n"
        )
        program.chmod(0o755)
    apt = setup.PrivateApt(tmp_path / "apt")
    for package in ("mosquitto", "curl"):
        with pytest.raises(setup.Problem) as told:
            apt.unpack([package], tmp_path / package)
        assert str(told.value) == "apt: Could not connect to mirror"
    assert asked.read_text() == "asked\n"


def test_an_unpacked_program_starts_with_the_libraries_beside_it(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(setup, "BIN", tmp_path / "bin")
    home = tmp_path / "unpacked"
    libraries = home / "usr" / "lib" / "aarch64-linux-gnu"
    libraries.mkdir(parents=True)
    (libraries / "libthing.so.1").touch()
    program = home / "program"
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH $*"\n')
    program.chmod(0o755)

    setup.launcher("thing", home, program)

    said = subprocess.run([tmp_path / "bin" / "thing", "a", "b c"], capture_output=True, text=True, check=True).stdout
    assert said == f"{libraries} a b c\n"


def test_our_own_launcher_does_not_count_as_installed(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "program-of-this-test"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert setup.on_this_machine(program.name)
    monkeypatch.setattr(setup, "BIN", tmp_path)
    assert not setup.on_this_machine(program.name)


def test_set_up_out_of_an_activated_environment_goes_on_with_the_systems_python(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(setup.os, "execv", lambda *call: started.append(call))
    monkeypatch.setattr(setup.sys, "argv", ["tools/setup.py", "--tests"])
    monkeypatch.setattr(setup.sys, "base_prefix", "/usr")
    monkeypatch.setattr(setup.sys, "prefix", str(setup.VENV))
    setup.outside_the_environment()
    assert started == [("/usr/bin/python3", ["/usr/bin/python3", "tools/setup.py", "--tests"])]


def test_a_tool_that_fails_is_named_with_its_last_lines(setup: ModuleType) -> None:
    with pytest.raises(setup.Problem, match=r"(?s)status 3:.*no such mirror"):
        setup.run("sh", "-c", "echo no such mirror; exit 3")


# ---------------------------------------------------------------- browser libraries
def test_fetched_files_are_listed_with_their_licence_and_hash(assets: ModuleType) -> None:
    assert not assets.ready()
    assert assets.fetch() == 5
    assert assets.ready()
    assert {file.name for file in assets.NODESETS.iterdir()} == {NODESET, "LICENSE", "VENDOR.json"}
    listed = {entry["file"]: entry for entry in json.loads((assets.VENDOR / "VENDOR.json").read_text())["files"]}
    assert listed.keys() == {f"swagger-ui/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE")}
    for name, entry in listed.items():
        assert entry["sha256"] == hashlib.sha256((assets.VENDOR / name).read_bytes()).hexdigest()
        assert (entry["package"], entry["version"], entry["licence"]) == ("swagger-ui-dist", "5.35.0", "Apache-2.0")


@pytest.mark.parametrize("text", [None, "", '{"stamp": ', "[]", '{"stamp": "of another lock", "files": []}'])
def test_a_list_that_is_missing_cut_off_or_old_means_fetch_again(assets: ModuleType, text: str | None) -> None:
    assets.fetch()
    file = assets.VENDOR / "VENDOR.json"
    file.unlink() if text is None else file.write_text(text)
    assert not assets.ready()


def test_a_deleted_file_means_fetch_again(assets: ModuleType) -> None:
    assets.fetch()
    (assets.VENDOR / "swagger-ui" / "swagger-ui.css").unlink()
    assert not assets.ready()


def test_a_failed_fetch_leaves_the_files_that_are_there(
    assets: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assets.fetch()
    refuse = "import sys; sys.exit('npm error code EINTEGRITY')"
    with monkeypatch.context() as tampered:
        tampered.setattr(assets, "npm_command", lambda: [sys.executable, "-c", refuse])
        with pytest.raises(assets.AssetsUnavailable, match="EINTEGRITY"):
            assets.fetch()
    (tmp_path / "offered" / "swagger-ui-dist" / "swagger-ui.css").rename(tmp_path / "renamed.css")
    (assets.WORK / "node_modules" / "swagger-ui-dist" / "swagger-ui.css").unlink()
    with pytest.raises(assets.AssetsUnavailable, match=r"5\.35\.0 has no file swagger-ui\.css"):
        assets.fetch()
    assert assets.ready()


def test_a_wheel_without_the_libraries_is_not_built_and_a_clone_is_told(
    assets: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "npm_command", lambda: None)
    monkeypatch.delenv("GATEWAY_ASSETS", raising=False)
    told: list[str] = []
    app = SimpleNamespace(display_warning=told.append)
    hook = assets.AssetsHook(str(ROOT), {}, None, None, "", "wheel", app)
    with pytest.raises(assets.AssetsUnavailable, match="no npm"):
        hook.initialize("standard", {})
    assert told == []
    hook.initialize("editable", {})
    assert "the pages will stay empty" in told[0]


# ---------------------------------------------------------------- make
def test_make_help_shows_every_target() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(["make", "help"], cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert re.findall(r"^  make (\S+)  -  \S", shown, flags=re.MULTILINE) == targets
    assert {"setup", "run", "test", "check", "drill", "bench", "help", "lock"} <= set(targets)
