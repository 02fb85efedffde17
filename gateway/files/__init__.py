"""Files: uploads to signed addresses, images of parts, signed addresses to fetch them. Bytes on the disk, rows in the database."""
