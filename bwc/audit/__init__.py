"""The log and its verdict: what was done, by whom, when, and the proof. Needs nothing of `bwc` but the nouns, roles and public keys."""
