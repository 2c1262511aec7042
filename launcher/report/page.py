"""A report's page: a Jinja template on `base.html.j2`, everything escaped, nothing fetched.

The page's own policy forbids it the network, and every script but the one that stands in `page.js`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.durations import span
from launcher.report.svg import Svg

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **facts: Any) -> str:
    """The page of ``template`` (a name under templates/) with these facts."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8").strip()
    # Both are files of ours; whatever else a template shows is escaped.
    return _environment().get_template(template).render(style=Svg(style), script=Svg(script), digest=digest, **facts)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["span"] = lambda seconds: "–" if seconds is None else span(seconds)
    return environment
