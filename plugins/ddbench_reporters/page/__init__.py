"""What the page shows, section by section, ready for its template."""
