"""Reports for people: self-contained HTML pages and small figures."""
