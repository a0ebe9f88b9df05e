"""bwc: body-worn camera footage taken in, kept safe, redacted, released and proven."""
