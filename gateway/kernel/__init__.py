"""What any durable service needs: clock, ids, database, errors, supervision. No manufacturing word in here."""
