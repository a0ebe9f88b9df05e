"""From an original to a redacted copy that a person has approved."""
