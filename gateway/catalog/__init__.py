"""Tables without decisions of their own: one declaration each."""
