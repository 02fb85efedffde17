-- How far a hub has taken another gateway's journal, for each lane; the lane '' stands for all of them. `epoch`: in whose
-- numbering: a box that was restored counts on from its copy, in another life.

CREATE TABLE hub_received (
  gateway_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  lane TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (gateway_id, epoch, lane)
) STRICT, WITHOUT ROWID;
