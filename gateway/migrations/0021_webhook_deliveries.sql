-- What a webhook could not be told: set aside like anything that a way out could not deliver.

ALTER TABLE event_parked ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;      -- rounds that failed since somebody asked for it
ALTER TABLE event_readers ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;  -- rounds in a row in which nobody was reached
