"""The whole appliance in a fresh Debian, as long as it takes: `make appliance`. `make test` has a short share of it."""

import json
import shutil
from pathlib import Path

import booted
import booted_box
import box as boxes
import cuts
import stub
from box import BUNDLE, DATA, Box
from bundles import made_bundle
from waiting import until

CUTS = 30
SERVICE = "eryxon-gateway.service"


if boxes.possible():  # else there is no box: it wants root

    async def test_the_package_installs_is_left_alone_and_goes(tmp_path):
        with boxes.debian(tmp_path, supervised=True) as box:
            package = made_bundle("deb", tmp_path)
            shutil.copy(package, box.at("/srv"))
            box.ok("dpkg", "--install", f"/srv/{package.name}")
            await works(box)
            assert "ok installed" in box.ok("dpkg-query", "--show", "--showformat=${Status}", "eryxon-gateway")
            assert box.call("dpkg", "--verify", "eryxon-gateway").out == ""
            told = box.ok("dpkg", "--install", f"/srv/{package.name}")
            assert "nothing was changed" in told
            box.ok("dpkg", "--remove", "eryxon-gateway")
            assert box.call("systemctl", "is-active", SERVICE).code == 3
            assert box.at(f"{DATA}/gateway.sqlite").exists()
            box.ok("dpkg", "--purge", "eryxon-gateway")
            assert not any(box.at(path).exists() for path in (DATA, "/etc/eryxon-gateway", boxes.OPT))

    async def test_an_install_may_be_killed_anywhere(tmp_path):
        await cuts.install_survives(tmp_path, CUTS)

    async def test_an_update_may_be_killed_anywhere(tmp_path):
        await cuts.update_survives(tmp_path, CUTS)


if boxes.possible() and booted.can_boot():  # a kernel whose control groups may be used

    async def test_under_its_own_systemd_it_is_installed_updated_and_taken_back(tmp_path, bundle):
        with booted_box.debian(tmp_path) as box:
            box.carry(bundle)
            done = box.install()
            assert done.code == 0, done
            key = await works(box)
            assert box.ask("/api-cells", key, {"name": "Laser", "sequence": 1})[0] == 201
            credentials = f"/run/credentials/{SERVICE}/box-key"
            assert box.ok("cmp", credentials, "/etc/credstore/eryxon-gateway.box-key") == ""
            # through the service's socket, with less than the service may
            box.ok("systemctl", "start", "eryxon-gateway-backup.service")
            assert len(list(box.at(f"{DATA}/backups").glob("*.zip"))) == 1
            assert "02:" in box.ok("systemctl", "list-timers", "--no-pager", "eryxon-gateway-backup.timer")

            for version in (2, 3):
                another(box)
                done = box.install()
                assert done.code == 0, done
                assert box.current().endswith(f"-{version}")
                await works(box)
            assert len(box.versions()) == 2
            status = json.loads(box.as_service("eryxon-gateway", "update", "status", "--json"))
            assert status["update"]["state"] == "confirmed"
            done = box.install("--rollback")
            assert done.code == 0, done
            assert box.current().endswith("-2")
            await works(box)
            assert [cell["name"] for cell in box.ask("/api-cells", key)[1]["data"]["cells"]] == ["Laser"]

            assert box.install("--uninstall").code == 0
            assert box.call("systemctl", "is-active", SERVICE).code != 0
            assert box.call("systemctl", "list-unit-files", "eryxon-*").out.count("eryxon") == 0


async def works(box: Box) -> str:
    """The first admin key, once the service is active, ready and has nothing to complain about."""
    await until(lambda: box.call("systemctl", "is-active", SERVICE).code == 0, "the service")
    assert box.ask("/readyz") == (200, "ready")
    box.as_service("eryxon-gateway", "doctor")
    return box.at(f"{DATA}/first-admin-key").read_text().strip()


def another(box: Box) -> None:
    """The bundle in the box is another one now, with the same program."""
    readme = Path(box.at(f"{BUNDLE}/README"))
    readme.write_text(readme.read_text() + "\n")
    stub.seal(box.at(BUNDLE))
