"""The HTML part of an e-mail: exactly the words of its text part, in paragraphs and lists.

No images, no links, nothing to load: what is opened tells nobody that it was opened. It is made from the finished text,
which has been read back, so that the two parts cannot say different things.
"""

from __future__ import annotations

from html import escape

_BODY = (
    "margin:0 auto;padding:24px 16px;max-width:36em;"
    "font:16px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Noto Sans',sans-serif;color:#1f2328"
)
_ITEM = "- "


def html_of(subject: str, text: str, locale: str) -> str:
    """`text` as a page. Everything in it is text: markup in a name would be shown, not obeyed."""
    blocks = "\n".join(_block(block.split("\n")) for block in text.strip().split("\n\n"))
    return (
        f'<!doctype html>\n<html lang="{escape(locale)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(subject)}</title>\n</head>\n"
        f'<body style="{_BODY}">\n{blocks}\n</body>\n</html>\n'
    )


def _block(lines: list[str]) -> str:
    """Lines that belong together; those that begin with a dash are a list."""
    parts: list[str] = []
    said: list[str] = []
    items: list[str] = []
    for line in [*lines, ""]:
        is_item = line.startswith(_ITEM)
        if said and (is_item or not line):
            parts.append(f"<p>{'<br>'.join(said)}</p>")
            said = []
        if items and not is_item:
            parts.append("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")
            items = []
        if is_item:
            items.append(escape(line.removeprefix(_ITEM), quote=False))
        elif line:
            said.append(escape(line, quote=False))
    return "\n".join(parts)
