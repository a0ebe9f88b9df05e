"""From a redacted copy to the public."""
