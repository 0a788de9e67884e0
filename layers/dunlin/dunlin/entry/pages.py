"""The two pages that a person can see of us. They know nothing about who looks: the same for every link, also a false
one, so that a link cannot be tried out. No script, nothing to load."""

from __future__ import annotations

from typing import Any

__all__ = ["asking_page", "done_page"]

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def asking_page() -> dict[str, Any]:
    """A button, since programs that only look at links must not opt anybody out."""
    return _page(
        "<p>Stop receiving this kind of e-mail at this address?<br>不再通过此邮箱接收此类邮件？</p>\n"
        '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
        '<button type="submit">Unsubscribe / 退订</button></form>'
    )


def done_page() -> dict[str, Any]:
    return _page("<p>You will not receive this kind of e-mail any more.<br>您将不再收到此类邮件。</p>")


def _page(content: str) -> dict[str, Any]:
    body = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n<title>Unsubscribe / 退订</title>\n'
        f"</head>\n<body>\n{content}\n</body>\n</html>\n"
    )
    return {"statusCode": 200, "headers": dict(_HEADERS), "body": body}
