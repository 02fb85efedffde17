"""What the command line can do to a gateway: the same verbs through the socket of a running one and on a stopped one's data."""
