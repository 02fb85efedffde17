"""The Debian package: the bundle in /usr/share/eryxon-gateway, and maintainer scripts that call its installer.

Made with plain `dpkg-deb`. The programs are not in it as files: what was installed stays beside what is new until that works,
and dpkg would replace it.
"""

import hashlib
import os
import shutil
import subprocess  # nosec B404 # dpkg-deb has no other door
import tempfile
from pathlib import Path

NAME = "eryxon-gateway"
SCRIPTS = Path(__file__).resolve().parent / "deb"
SHARE = Path("usr/share") / NAME
KB = 1024


class NoDpkg(Exception):
    """There is no dpkg-deb here."""


def package(bundle: Path, out: Path, version: str, arch: str, python: str, when: int) -> Path:
    """`<out>/eryxon-gateway_<version>_<arch>.deb` from the folder of the bundle. `when`: seconds since 1970.

    Raises NoDpkg.
    """
    if shutil.which("dpkg-deb") is None:
        raise NoDpkg("no dpkg-deb here: make the package on a Debian, or take the folder (make bundle)")
    made = out / f"{NAME}_{version}_{arch}.deb"
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        shutil.copytree(bundle, tree / SHARE)
        document = tree / "usr/share/doc" / NAME / "copyright"
        document.parent.mkdir(parents=True)
        shutil.copy(bundle / "LICENSE", document)
        about = tree / "DEBIAN"
        about.mkdir()
        files = sorted(file for file in tree.rglob("*") if file.is_file())
        (about / "control").write_text(control(version, arch, python, files), encoding="utf-8")
        sums = "".join(f"{md5(file)}  {file.relative_to(tree)}\n" for file in files)
        (about / "md5sums").write_text(sums, encoding="utf-8")
        for name in ("postinst", "prerm"):
            shutil.copy(SCRIPTS / name, about)
        (about / "postrm").write_text(purging(tree / SHARE / "remove.sh"), encoding="utf-8")
        plain(tree)
        # The wheels are zips already: more than a quick look makes nothing smaller.
        build = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(made)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(when)}
        subprocess.run(build, env=environment, check=True, stdout=subprocess.DEVNULL)  # nosec B603 # a list, no shell; words of ours
    return made


def control(version: str, arch: str, python: str, files: list[Path]) -> str:
    """`python`: the one that the wheels are for, as "3.11"."""
    major, _, minor = python.partition(".")
    size_kb = sum(-(-file.stat().st_size // KB) for file in files)
    return f"""Package: {NAME}
Version: {version}
Architecture: {arch}
Maintainer: The eryxon-gateway authors <eryxon-gateway@localhost>
Installed-Size: {size_kb}
Depends: python3 (>= {python}~), python3 (<< {major}.{int(minor) + 1}~), passwd, systemd
Recommends: mosquitto
Section: net
Priority: optional
Description: edge gateway for the factory floor
 Keeps the work of a machine shop's cells on the spot and serves the Eryxon MES
 REST API on the LAN, runs the hall's Unified Namespace on a local Mosquitto,
 and stores and forwards everything that happened to the cloud.
 .
 Carries every Python package that it needs: installing it asks no network.
"""


def purging(remover: Path) -> str:
    """postrm: when it runs, the files of the package are gone, so it brings what it calls along."""
    head, tail = (SCRIPTS / "postrm").read_text(encoding="utf-8").split("@REMOVE@\n")
    return head + remover.read_text(encoding="utf-8") + tail


def plain(tree: Path) -> None:
    """Modes as a package has them, whatever the umask here."""
    for path in [tree, *tree.rglob("*")]:
        script = path.parent.name == "DEBIAN" and path.name in {"postinst", "prerm", "postrm"}
        path.chmod(0o755 if path.is_dir() or script or path.suffix == ".sh" else 0o644)


def md5(file: Path) -> str:
    with file.open("rb") as opened:  # what dpkg --verify compares with: it finds damage, and knows no other
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
