"""What a change touches, what a replay shows, and what becomes of evidence."""
