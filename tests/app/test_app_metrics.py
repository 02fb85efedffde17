"""/metrics: names by Prometheus' conventions, the same as docs/metrics.md, and what the alerts and the dashboard rest on."""

import asyncio
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

from gateway.metrics.links import FACTS
from gateway.metrics.scrape import Metrics
from gateway.tls import HTTP, Tls

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "metrics.md").read_text()
OPERATE = (ROOT / "docs" / "operate.md").read_text()
RULES = yaml.safe_load((ROOT / "config" / "prometheus" / "eryxon-gateway.rules.yml").read_text())
DASHBOARD = json.loads((ROOT / "config" / "grafana" / "eryxon-gateway.json").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]
PROMETHEUS_OWN = {"up"}
# What PromQL itself calls by a word.
WORDS = frozenset(
    "abs by changes histogram_quantile increase job instance le or rate route status sum time topk".split()
)
NOT_BASE = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|$)")
SERIES_MAX = 5_000
CELLS = 100
HELD = {"accepted": 9, "sent": 6, "pending": 1, "parked": 1, "skipped": 1, "behind": 1, "oldest_s": 3.5}


def names_in(expression):
    """Of metrics: words that stand neither in braces nor in quotes, and are none of the language."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|'[^']*'|\"[^\"]*\"|\b(by|on|without) \([^)]*\)", " ", expression)
    return set(re.findall(r"[a-z_][a-z0-9_]*", bare)) - WORDS


def samples(families):
    """Every name that a sample may have, histograms with their parts."""
    told = set()
    for family in families:
        told.add(family.name + ("_total" if family.type == "counter" else ""))
        if family.type == "histogram":
            told |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return told


@pytest.fixture
async def families(box):
    await box.send("POST", "/api-cells", {"name": "Laser"})
    await box.send("GET", "/api-cells")
    await box.bare("/nowhere")
    return [*text_string_to_metric_families((await box.bare("/metrics")).text)]


@pytest.fixture
async def everything(box):
    """As a hall of many cells tells it, with each link and fact that there is."""
    links = {"cloud": {**HELD, "conflicts": 2}, "uns": {**HELD}, "cloud-pull": {}, "sparkplug": {}, "machines": {}}
    links |= {"realtime": {}, "terminals": {}, "broker": {}}
    for number in range(CELLS):
        links[f"webhook:{number}"] = {**HELD}
        links[f"mqtt:{number}"] = {**HELD}
    for name in ("opcua_mirror", "odd"):
        links[f"plugin:{name}"] = {**HELD, "updates": 7, "text": "x", "nested": {"a": 1}}
    for fact in FACTS:
        value = "2026-11-02T07:00:00Z" if fact.key == "last_pull" else 3
        for name in links:
            if fact.labels(name) is not None and fact.label != "reader":
                links[name].setdefault(fact.key, value)
    below = {"epoch": 1, "seen_at": "2026-11-02T07:00:00Z", "cells": 1, "files_to_come": 0}

    async def report():
        told = {name: {"state": "up", **facts} for name, facts in links.items()}
        return await box.gateway.status.full() | {"links": told, "gateways": {f"cell-{n}": below for n in range(CELLS)}}

    gateway = box.gateway
    metrics = Metrics(gateway.settings, gateway.db, report)
    Tls(gateway.settings.data_dir).issue(HTTP, gateway._clock.now())
    metrics.requests = gateway.metrics.requests
    await box.send("POST", "/api-cells", {"name": "Laser"})
    lag = asyncio.create_task(metrics.run())
    await until(lambda: metrics._lag.sum_s > 0 or sum(metrics._lag.counts), "the loop was looked at")
    lag.cancel()
    return metrics


# ------------------------------------------------------------------ names


def test_names_are_by_the_conventions(families):
    assert max(Counter(family.name for family in families).values()) == 1
    for family in families:
        assert re.fullmatch(r"(gateway|process)_[a-z0-9_]+", family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert family.type in ("gauge", "counter", "histogram"), family.name
        assert not NOT_BASE.search(family.name), f"{family.name}: seconds and bytes, nothing else"
        assert family.type == "counter" or not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for sample in family.samples:
            assert sample.value == sample.value, sample
            assert set(sample.labels) <= {
                *"link reader state plugin fact webhook gateway route method status le".split()
            } | {*"version python sqlite certificate class".split()}, sample


async def test_the_document_has_each_metric_with_its_type_and_labels(everything):
    text, _ = await everything.text()
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert family.samples, f"{name}: nothing tells it"
        found[name] = (family.type, labels)
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \|([^|]*)\| [^|]+ \|$", DOCS, re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == found


async def test_a_large_hall_has_a_bounded_number_of_series(everything):
    text, _ = await everything.text()
    series = sum(not line.startswith("#") for line in text.decode().splitlines())
    assert CELLS < series < SERIES_MAX


async def test_open_metrics_for_who_asks_for_it(box):
    said = await box.send("GET", "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert said.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics.text_string_to_metric_families(said.text)}
    assert {"gateway_info", "gateway_http_requests", "gateway_event_loop_lag_seconds"} <= names


# ------------------------------------------------------------------ numbers


async def test_requests_are_counted_by_route_and_never_by_path(box):
    await box.send("POST", "/functions/v1/api-cells", {"name": "Laser"})
    for path in ("/api-cells", "/api-cells/", "/api-cells?id=nobody", "/nowhere/1", "/nowhere/2"):
        await box.send("GET", path)
    text = (await box.bare("/metrics")).text
    for line in (
        'gateway_http_requests_total{method="POST",route="/api-cells",status="2xx"} 1.0',
        'gateway_http_requests_total{method="GET",route="/api-cells",status="2xx"} 2.0',
        'gateway_http_requests_total{method="GET",route="/api-cells",status="4xx"} 1.0',
        'gateway_http_requests_total{method="GET",route="none",status="4xx"} 2.0',
        'gateway_http_request_duration_seconds_count{route="/api-cells"} 4.0',
    ):
        assert line in text, line
    assert "/nowhere/1" not in text


async def test_what_is_written_is_timed_and_the_box_is_told(box):
    before = value(await box.bare("/metrics"), "gateway_database_commits_total")
    await box.send("POST", "/api-cells", {"name": "Laser"})
    told = await box.bare("/metrics")
    assert value(told, "gateway_database_commits_total") > before
    assert value(told, "gateway_database_commit_duration_seconds_count") >= 2
    assert value(told, "gateway_journal_head") == 1
    assert value(told, "gateway_ready") == 1
    assert value(told, "gateway_disk_full") == 0
    assert value(told, 'gateway_disk_refused{class="upload"}') == 0
    assert value(told, "gateway_backup_timestamp_seconds") == 0
    assert 0 < value(told, "gateway_disk_free_bytes") < value(told, "gateway_disk_size_bytes")
    assert value(told, "gateway_database_size_bytes") > 4096


def value(said, name):
    return float(re.search(rf"^{name} (\S+)$", said.text, re.MULTILINE)[1])


# ------------------------------------------------------------------ what rests on them


def test_alerts_and_dashboard_use_only_what_there_is(families):
    known = samples(families) | PROMETHEUS_OWN
    for expression in EXPRESSIONS:
        names = names_in(expression)
        assert names, expression
        assert names <= known, f"{expression}: {names - known}"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_says_what_it_is_and_where_to_read_on(alert):
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    assert re.fullmatch(r"\d+[mh]", alert["for"])
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert page == "docs/operate.md"
    assert f"\n### {alert['alert']}\n" in OPERATE
    assert anchor == alert["alert"].lower()


def test_no_section_is_about_an_alert_that_is_not_there():
    assert {*re.findall(r"^### (Gateway\w+)$", OPERATE, re.MULTILINE)} == {alert["alert"] for alert in ALERTS}


def test_the_dashboard_can_be_imported():
    assert (DASHBOARD["uid"], DASHBOARD["title"]) == ("eryxon-gateway", "Eryxon gateway")
    assert DASHBOARD["schemaVersion"] >= 36
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"] | {"query": "prometheus"} == variables["datasource"]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows[:4] == ["Overview", "Cloud link", "Disk and database", "HTTP"]
    assert len(rows) == 7
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for one in (panel, *panel.get("targets", ())) if panel["type"] != "row" else ():
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
