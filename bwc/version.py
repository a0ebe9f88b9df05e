"""The version of this bwc, as its documents name it."""

VERSION = "0.1.0"
TOOL = f"bwc {VERSION}"
