"""Proof of what was done, by whom, when. Needs nothing of bwc but canonical, errors, evidence and keys."""
