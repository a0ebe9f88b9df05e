"""What outsiders hold a log to: proofs, pinned keys, checkpoints seen, slips, cosignatures, time stamps; evidence of forks. Needs nothing of `bwc` but `audit` and what that needs."""
