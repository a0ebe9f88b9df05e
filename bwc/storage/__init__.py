"""Where evidence rests."""
