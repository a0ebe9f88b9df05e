"""What somebody was given, checked offline with one verdict: a vault, a release, a trail, an export, a proof. Needs nothing of `bwc` but `anchors`, `audit` and what those need."""
