"""Issues: what is wrong with an operation, non-conformance reports (NCR) among them; one that stops the work holds it."""
