-- Lists of a million rows: each default order and each filter finds its page through an index. Equal values are told apart by
-- rowid, which stands at the end of every index as it is. An index costs every write of its columns: what a start or a pause
-- changes of an operation stands in one only.

DROP INDEX jobs_by_created;
CREATE INDEX jobs_by_created ON jobs (created_at) WHERE deleted_at IS NULL;

DROP INDEX parts_by_created;
CREATE INDEX parts_by_created ON parts (created_at) WHERE deleted_at IS NULL;
DROP INDEX parts_by_job;
CREATE INDEX parts_by_job ON parts (job_id, created_at);
CREATE INDEX parts_by_status ON parts (status, created_at) WHERE deleted_at IS NULL;

DROP INDEX operations_by_cell;
CREATE INDEX operations_by_cell_status ON operations (cell_id, status, sequence) WHERE deleted_at IS NULL;
CREATE INDEX operations_by_cell ON operations (cell_id, deleted_at, sequence);
CREATE INDEX operations_by_sequence ON operations (sequence) WHERE deleted_at IS NULL;
CREATE INDEX operations_by_operator ON operations (assigned_operator_id, sequence)
  WHERE assigned_operator_id IS NOT NULL AND deleted_at IS NULL;

CREATE INDEX time_entries_by_operator ON time_entries (operator_id, start_time);
CREATE INDEX operation_quantities_by_recorder ON operation_quantities (recorded_by, recorded_at)
  WHERE recorded_by IS NOT NULL;
CREATE INDEX operation_quantities_by_reason ON operation_quantities (scrap_reason_id, recorded_at)
  WHERE scrap_reason_id IS NOT NULL;
CREATE INDEX operation_quantities_by_lot ON operation_quantities (material_lot, recorded_at) WHERE material_lot IS NOT NULL;
CREATE INDEX operation_quantities_scrap ON operation_quantities (recorded_at) WHERE quantity_scrap > 0;
CREATE INDEX operation_quantities_rework ON operation_quantities (recorded_at) WHERE quantity_rework > 0;

DROP INDEX issues_by_created;
CREATE INDEX issues_by_created ON issues (created_at);
DROP INDEX substeps_by_sequence;
CREATE INDEX substeps_by_sequence ON substeps (sequence);
DROP INDEX assignments_by_created;
CREATE INDEX assignments_by_created ON assignments (created_at);
DROP INDEX operation_batches_by_created;
CREATE INDEX operation_batches_by_created ON operation_batches (created_at);
