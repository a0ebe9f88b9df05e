"""The log as it is written: events made and appended, tiles and checkpoints published, never a fork. No verdict rests on it."""
