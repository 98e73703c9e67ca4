"""The page at `/`, with a policy that lets nothing run but what stands in it."""

import base64
import hashlib
import re
from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import HTMLResponse


def home_routes(page: str) -> APIRouter:
    """The route of a page that holds its own style and script."""
    router = APIRouter()
    headers = page_headers(page)

    @router.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    return router


def page_headers(page: str) -> Mapping[str, str]:
    """Headers that let a page run its own inline style and script, by their hashes, and ask its own service alone.

    Content-Security-Policy Level 3, https://www.w3.org/TR/CSP3/.

    >>> page_headers("<script>run()</script>")["Content-Security-Policy"].split("; ")[1]
    "script-src 'sha256-AvyuiL0SD1mVY3NNxR+V2uo+lhk6RMFrytWmRt6CrJQ='"
    """
    policy = {
        "default-src": "'none'",
        "script-src": _hashes("script", page),
        "style-src": _hashes("style", page),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _hashes(tag: str, page: str) -> str:
    parts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
