"""The sources that come with bwc: one vendor's names and folders each."""
