"""Small pieces of HTML, as every notebook's front end shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

# Notebooks set tables flush right.
_LEFT = "style='text-align:left'"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, strong: int | None = None) -> str:
    """A table; the row of number ``strong`` is in bold."""
    lines = [f"<tr>{''.join(f'<th {_LEFT}>{escape(word)}</th>' for word in header)}</tr>"]
    for number, row in enumerate(rows):
        cells = (escape(str(cell)) for cell in row)
        marked = (f"<b>{cell}</b>" if number == strong else cell for cell in cells)
        lines.append(f"<tr>{''.join(f'<td {_LEFT}>{cell}</td>' for cell in marked)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def facts(title: str, values: Mapping[str, object]) -> str:
    """A heading and a table of names and values; empty ones are left out."""
    rows = "".join(
        f"<tr><th {_LEFT}>{escape(name)}</th><td {_LEFT}>{escape(str(value))}</td></tr>"
        for name, value in values.items()
        if value not in (None, "")
    )
    return f"<p><b>{escape(title)}</b></p><table>{rows}</table>"


def framed(page: str, *, height: int = 640) -> str:
    """A whole page of its own, in a frame ``height`` pixels high in which nothing else can be reached."""
    return (
        f"<iframe sandbox='allow-scripts' style='box-sizing:border-box;width:100%;height:{height}px;"
        "border:1px solid #8884' "
        f'srcdoc="{escape(page)}"></iframe>'
    )
