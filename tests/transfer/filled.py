"""A hall in which something of everything has happened."""

from hall import Floor

NASTY = "=1+1\r\n\"quoted\", 'single'\t\u00e4\u20ac\U0001f600\u2028;"
FLOAT = 0.1 + 0.2


async def fill(floor: Floor) -> None:
    """Every table of the work gets rows: booked, split, paused, deleted, nested, with everything that a cell of CSV fears."""
    job = await floor.job(
        "J-1", (floor.LASER, floor.SAW), (floor.LASER,), customer=NASTY, notes="", metadata={"po": [1.5, "x"]}
    )
    first, second = job["parts"]
    one, two = (operation["id"] for operation in first["operations"])
    child = {
        "job_id": job["id"],
        "parent_part_id": first["id"],
        "part_number": "-1",
        "material": " m ",
        "weight_kg": FLOAT,
    }
    await floor.make("/api-parts", {**child, "material_id": floor.NOWHERE, "drawing_url": "http://x"})
    await floor.pressed(
        ("start", one, floor.ANNA, 61), ("pause", one, None, 7), ("resume", one, floor.ANNA, 100), ("complete", one)
    )
    await floor.pressed(("start", two, floor.BEN, 30))
    body = {
        "operation_id": one,
        "quantity_produced": 5,
        "quantity_good": 2,
        "quantity_scrap": 3,
        "recorded_by": floor.ANNA,
    }
    reasons = [{"reason_id": floor.BURR, "quantity": 1}, {"reason_id": floor.SCRATCH, "quantity": 2}]
    await floor.make("/api-operation-quantities", {**body, "scrap_reasons": reasons, "notes": NASTY})
    await floor.do(
        'UPDATE parts SET image_paths = \'["a/b.png","=c"]\', weight_kg = ? WHERE id = ?', 1e21, second["id"]
    )
    await floor.do(
        "INSERT INTO operation_resources (id, operation_id, resource_id, quantity, created_at) VALUES (?, ?, ?, 1.5, ?)",
        *("00000000-0000-4000-8000-00000000ee01", one, floor.JIG, "2026-11-01T00:00:00+00:00"),
    )
    await floor.do(
        "INSERT INTO operators (id, employee_id, full_name, created_at, updated_at) VALUES (?, '007', 'J', ?, ?)",
        *("00000000-0000-4000-8000-00000000ee02", "2026-11-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"),
    )
    template, item = (f"00000000-0000-4000-8000-00000000ee1{n}" for n in (1, 2))
    await floor.do(
        "INSERT INTO substep_templates (id, name, is_global, created_at, updated_at) VALUES (?, 'T', 1, ?, ?)",
        *(template, "2026-11-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"),
    )
    await floor.do(
        "INSERT INTO substep_template_items (id, template_id, name, sequence, created_at, updated_at) VALUES (?, ?, 'I', 1, ?, ?)",
        *(item, template, "2026-11-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"),
    )
    issue = {"operation_id": two, "description": NASTY, "issue_type": "ncr", "causes_standstill": True}
    await floor.make("/api-issues", {**issue, "ncr_category": "material", "affected_quantity": 2})
    await floor.do(
        "INSERT INTO issue_categories (id, code, description, created_at, updated_at) VALUES (?, 'M', 'Machine', ?, ?)",
        *("00000000-0000-4000-8000-00000000ee03", "2026-11-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"),
    )
    await floor.do(
        "INSERT INTO operation_handoffs (id, operation_id, text, written_by, written_at) VALUES (?, ?, ?, ?, ?)",
        *("00000000-0000-4000-8000-00000000ee08", one, NASTY, floor.ANNA, "2026-11-01T00:00:00+00:00"),
    )
    third = second["operations"][0]["id"]
    await floor.make("/api-substeps", {"operation_id": one, "name": NASTY, "status": "completed"})
    given = {"operator_id": floor.ANNA, "assigned_by": floor.BEN}
    await floor.make("/api-assignments", {**given, "job_id": job["id"], "part_id": second["id"]})
    batch = {"batch_number": "NEST-1", "batch_type": "laser_nesting", "cell_id": floor.LASER, "operation_ids": [third]}
    more = {"nesting_metadata": {"sheet": 7}, "thickness_mm": 2.5, "estimated_time": 12.5}
    batch_id = (await floor.make("/api-batches", {**batch, **more}))["batch"]["id"]
    await floor.do("UPDATE operation_batches SET actual_time_s = 125, parent_batch_id = NULL WHERE id = ?", batch_id)
    await floor.do(
        "INSERT INTO batch_requirements (id, batch_id, material_name, created_at) VALUES (?, ?, 'S235', ?)",
        *("00000000-0000-4000-8000-00000000ee04", batch_id, "2026-11-01T00:00:00+00:00"),
    )
    hook, at = "00000000-0000-4000-8000-00000000ee05", "2026-11-01T00:00:00+00:00"
    await floor.do(  # without its secret: no export has one
        "INSERT INTO webhooks (id, url, events, created_at, updated_at) VALUES (?, 'https://x.example/', '[\"job.*\"]', ?, ?)",
        *(hook, at, at),
    )
    await floor.do(
        "INSERT INTO webhook_logs (id, webhook_id, event_type, payload, created_at) VALUES (?, ?, 'job.started', '{\"a\":1}', ?)",
        *("00000000-0000-4000-8000-00000000ee06", hook, at),
    )
    publisher = {"name": NASTY, "broker_url": "mqtts://10.0.0.5", "events": ["job.*"]}
    told = await floor.make("/api-mqtt-publishers", publisher)
    await floor.do(
        "INSERT INTO mqtt_logs (id, mqtt_publisher_id, event_type, topic, payload, success, created_at) "
        "VALUES (?, ?, 'job.started', 'a/b', '{\"a\":1}', 1, ?)",
        *("00000000-0000-4000-8000-00000000ee07", told["mqtt_publisher"]["id"], at),
    )
    wrong = await floor.send("POST", "/api-jobs/bulk-sync", {"items": [{"external_id": NASTY}]})
    assert wrong.data["errors"] == 1
    gone = await floor.job("J-2")
    assert (await floor.send("DELETE", f"/api-jobs?id={gone['id']}")).status == 200
