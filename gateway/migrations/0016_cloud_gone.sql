-- Rows that the cloud does not show any more: few among very many.
CREATE INDEX cloud_rows_missed ON cloud_rows (table_name, id) WHERE missed > 0;
CREATE INDEX cloud_rows_deleted ON cloud_rows (table_name, id) WHERE deleted = 1;
