-- Files that are stored here. The bytes lie in `files/<bucket>/<id>` in the data folder: complete and verified, or not at all.

CREATE TABLE files (
  id TEXT PRIMARY KEY,
  bucket TEXT NOT NULL CONSTRAINT files_bucket_check CHECK (bucket IN ('parts-images', 'issues', 'parts-cad', 'batch-images')),
  path TEXT NOT NULL CONSTRAINT files_path_key UNIQUE,  -- as clients know it, in the cloud's form; never a name on the disk
  content_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL CONSTRAINT files_size_check CHECK (size_bytes > 0),
  sha256 TEXT NOT NULL,                   -- hex
  created_at TEXT NOT NULL,
  row_version INTEGER NOT NULL DEFAULT 1
) STRICT;

-- Addresses that were given out for an upload. Each holds its path until it is used or long over.
CREATE TABLE file_offers (
  nonce TEXT PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  expires_at TEXT NOT NULL,
  used_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX file_offers_by_expiry ON file_offers (expires_at);
