"""Stores that are no folder: objects under a URL, and a copy on this machine of those that are read."""
