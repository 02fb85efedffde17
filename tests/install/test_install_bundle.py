"""The offline bundle and the Debian package: whole, checked by hash, the same bytes each time, and the scripts of a package."""

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from bundles import made_bundle

from gateway import __version__

ROOT = Path(__file__).parents[2]
DPKG = shutil.which("dpkg-deb")
SHARE = "usr/share/eryxon-gateway"


@pytest.fixture
def program(monkeypatch):
    """systemd/bundle.py, to be asked."""
    monkeypatch.syspath_prepend(ROOT / "systemd")
    yield importlib.import_module("bundle")
    for name in ("bundle", "deb"):
        sys.modules.pop(name)


def test_it_carries_the_installer_the_units_every_package_and_what_they_are_checked_with(bundle):
    assert {path.name for path in bundle.iterdir()} == {
        "BUNDLE", "LICENSE", "README", "SHA256SUMS", "install.sh", "parts.sh", "remove.sh",
        "requirements.txt", "sbom.cdx.json", "units", "wheelhouse",
    }  # fmt: skip
    units = {path.name for path in (ROOT / "systemd").iterdir() if path.suffix in (".service", ".timer")}
    assert {path.name for path in (bundle / "units").iterdir()} == units
    for script in bundle.glob("*.sh"):
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0, script
    sums = dict(reversed(line.split("  ")) for line in (bundle / "SHA256SUMS").read_text().splitlines())
    files = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert sums.keys() == files
    assert all(hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest for name, digest in sums.items())
    wanted = (bundle / "requirements.txt").read_text()
    assert (ROOT / "tools" / "lock" / "runtime.txt").read_text() in wanted
    own = f"wheelhouse/eryxon_gateway-{__version__}-py3-none-any.whl"
    assert f"eryxon-gateway=={__version__} --hash=sha256:{sums[own]}" in wanted


def test_its_bill_of_materials_has_every_wheel_in_its_version(bundle):
    bill = json.loads((bundle / "sbom.cdx.json").read_text())
    listed = {one["purl"] for one in [bill["metadata"]["component"], *bill["components"]]}
    wheels = [path.name.split("-") for path in (bundle / "wheelhouse").glob("*.whl")]
    assert len(wheels) > 80
    assert {f"pkg:pypi/{name.lower().replace('_', '-')}@{version}" for name, version, *_ in wheels} <= listed


def test_the_same_clone_gives_the_same_bytes(bundle, tmp_path):
    tars = []
    for out in (tmp_path, bundle.parent):
        made = made_bundle("folder", out) if out == tmp_path else bundle
        tars.append(hashlib.sha256(made.with_name(made.name + ".tar.gz").read_bytes()).hexdigest())
    assert tars[0] == tars[1]


def test_the_archive_is_roots_whoever_made_it(bundle):
    with tarfile.open(bundle.with_name(bundle.name + ".tar.gz")) as tar:
        entries = tar.getmembers()
    assert {(entry.uid, entry.gid, entry.uname) for entry in entries} == {(0, 0, "root")}
    assert {entry.name: entry.mode for entry in entries}[f"{bundle.name}/install.sh"] == 0o755
    assert {entry.name.split("/")[0] for entry in entries} == {bundle.name}


@pytest.mark.parametrize(("arch", "python", "has"), [("amd64", "3.11", True), ("arm64", "3.13", False)])
def test_another_box_gets_what_the_lock_says_of_it_and_not_of_this_machine(program, arch, python, has):
    target = program.Target(arch, python)
    names = {entry.split("==")[0] for entry in program.applicable(program.LOCK, target)}
    assert ("wait-for2" in names) is has  # only for Python before 3.12
    assert {"uvloop", "h11"} <= names
    assert not {"pywin32", "colorama"} & names
    assert all(" ; " not in entry and "--hash=sha256:" in entry for entry in program.applicable(program.LOCK, target))
    machine = program.MACHINES[arch]
    assert (target.platforms[0], target.platforms[-1]) == (f"manylinux_2_28_{machine}", f"manylinux2014_{machine}")


def test_a_folder_that_lacks_a_package_is_no_bundle(program, bundle, tmp_path):
    some = tmp_path / "some"
    some.mkdir()
    for wheel in (bundle / "wheelhouse").glob("[a-m]*.whl"):
        shutil.copy(wheel, some)
    with pytest.raises(program.Problem, match=r"no wheel with a hash of the lock for .*pydantic=="):
        program.require_complete(program.Target("amd64", "3.11"), some)


if DPKG:  # a machine without it makes no package

    @pytest.fixture(scope="module")
    def package(tmp_path_factory) -> Path:
        return made_bundle("deb", tmp_path_factory.mktemp("deb"))

    def said(*words) -> str:
        return subprocess.run([DPKG, *words], capture_output=True, text=True, check=True).stdout

    def test_the_package_says_what_it_is_and_what_it_wants(package):
        fields = said("--field", package)
        assert f"Package: eryxon-gateway\nVersion: {__version__}\n" in fields
        minor = int(fields.partition("python3 (>= 3.")[2].partition("~")[0])
        assert f"Depends: python3 (>= 3.{minor}~), python3 (<< 3.{minor + 1}~), passwd, systemd\n" in fields
        assert "Recommends: mosquitto\n" in fields
        assert package.name == f"eryxon-gateway_{__version__}_{said('--field', package, 'Architecture').strip()}.deb"

    def test_the_package_is_the_bundle_and_root_owns_it(package, tmp_path):
        lines = [line.split(maxsplit=5) for line in said("--contents", package).splitlines()]
        assert {line[1] for line in lines} == {"root/root"}
        assert {line[0] for line in lines} == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}
        assert [line[5] for line in lines if line[0] == "-rwxr-xr-x"] == [
            f"./{SHARE}/{name}.sh" for name in ("install", "parts", "remove")
        ]
        said("--raw-extract", package, tmp_path)
        check = ["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"]
        subprocess.run(check, cwd=tmp_path / SHARE, check=True)
        subprocess.run(["md5sum", "--quiet", "--strict", "-c", "DEBIAN/md5sums"], cwd=tmp_path, check=True)
        listed = {line.split("  ")[1] for line in (tmp_path / "DEBIAN/md5sums").read_text().splitlines()}
        assert listed == {line[5][2:] for line in lines if line[0].startswith("-")}

    def test_its_scripts_are_shell_and_call_the_installer(package, tmp_path):
        said("--control", package, tmp_path)
        for name in ("postinst", "prerm", "postrm"):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o755
            subprocess.run(["sh", "-n", tmp_path / name], check=True)
        purging = (tmp_path / "postrm").read_text()
        assert (ROOT / "systemd" / "remove.sh").read_text() in purging
        assert "@REMOVE@" not in purging
        for name in ("postrm", "prerm"):  # an update is nothing to them
            done = subprocess.run(
                ["sh", tmp_path / name, "upgrade", "9.9"], capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
