"""What outsiders need; the heavier dependencies live here."""
