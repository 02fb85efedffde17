-- A request can be followed from the answer that it got to the call that told the cloud of it.

ALTER TABLE events ADD COLUMN request_id TEXT;  -- of the command that wrote the entry; null: nobody asked for it. Outside the chain
