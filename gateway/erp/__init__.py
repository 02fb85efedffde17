"""Records of an ERP are taken over by their external id: one by one, many at once, or all kinds in one request."""
