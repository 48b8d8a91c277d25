"""A result computed anew from what its file records."""
