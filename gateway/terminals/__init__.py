"""Station terminals: pairing, who is signed in, what is shown of the work, and what a tap does. No HTTP here."""
