"""verify.html: one offline page that checks a release in the browser, put together from its source files.

The page is the same in every package, so its digest can be published once. A page inside a forged package could
say anything: it tells people to get it from the agency's own site.
"""

import base64
import hashlib
import re
from importlib.resources import files

_SCRIPTS = ("verify_papers.js", "verify_copied.js", "verify.js", "verify_page.js")
_IMPORT = re.compile(r"^import \{[^}]*\} from \"[^\"]*\";\n", re.MULTILINE)
_MARK_STYLE, _MARK_SCRIPT, _MARK_POLICY = "/*STYLE*/", "/*SCRIPT*/", "POLICY"


def verify_page() -> bytes:
    """The page, UTF-8. Its script and style are inline and allowed by their digests; it may load or send nothing."""
    page, style = _static("verify.html"), _static("verify.css")
    # one module: what the files import from each other is simply there
    script = "\n" + "\n".join(_IMPORT.sub("", _static(name)) for name in _SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    return page.replace(_MARK_POLICY, policy).replace(_MARK_STYLE, style).replace(_MARK_SCRIPT, script).encode("utf-8")


def inline_style_policy(style: str) -> str:
    """The Content-Security-Policy of a page that has only the inline `style`: no script, nothing from elsewhere."""
    return f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"


def _static(name: str) -> str:
    return files("bwc.release").joinpath("static", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    # CSP level 3: the digest is over the element's text exactly as it stands
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
