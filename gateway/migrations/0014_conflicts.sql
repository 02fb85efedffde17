-- Conflicts with the cloud are shown and decided: their rows count their changes, the list has an order of its own.

ALTER TABLE cloud_conflicts ADD COLUMN row_version INTEGER NOT NULL DEFAULT 1;
CREATE INDEX cloud_conflicts_by_time ON cloud_conflicts (found_at);
