-- Beside open work a board shows what was completed in its cell a short while ago, however much that has been over the years.

CREATE INDEX operations_by_cell_completed ON operations (cell_id, completed_at) WHERE completed_at IS NOT NULL;
