"""Write the one-file verifier: python scripts/make_verifier.py dist/bwc-verify.py (the same as bwc audit verifier)."""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bwc.oversight.one_file import one_file

if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "dist/bwc-verify.py")
    out.parent.mkdir(parents=True, exist_ok=True)
    data = one_file().encode()
    out.write_bytes(data)
    print(f"{out}  {len(data)} bytes  sha256 {hashlib.sha256(data).hexdigest()}")
