-- With which key a file was uploaded: a key that is limited to cells lists no others. Null: before this was kept.

ALTER TABLE files ADD COLUMN uploaded_by TEXT;
