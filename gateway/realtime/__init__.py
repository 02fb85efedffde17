"""The realtime socket of Supabase's clients: row changes of the journal, live, and broadcasts between clients."""
