"""The page at `/`: one file, and a policy that lets it run its own script and talk to its own
gateway, and nothing else."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from pathlib import Path

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


def _allowed(tag: str) -> str:
    """The directive for the one inline `tag` of the page."""
    (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    digest = b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    return f"{tag}-src 'sha256-{digest}'"


_ORIGINS = (
    "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; img-src data:"
)
POLICY = {
    "Content-Security-Policy": f"{_ORIGINS}; {_allowed('script')}; {_allowed('style')}",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
