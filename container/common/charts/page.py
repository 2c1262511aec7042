"""A report's page: a Jinja template on `base.html.j2`, everything escaped, nothing fetched.

The page's own policy forbids it the network, and every script but the one that stands in `page.js`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container.common.charts.svg import Svg
from container.common.durations import span

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: Path, **facts: Any) -> str:
    """The page of ``template``, a file of the project, with these facts; a .css of its name is its style."""
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8").strip()
    own = template.with_name(template.name.removesuffix(".html.j2") + ".css")
    if own.is_file():
        style += "\n" + own.read_text(encoding="utf-8").strip()
    # These are files of ours; whatever else a template shows is escaped.
    page = _environment(template.parent).get_template(template.name)
    return page.render(style=Svg(style), script=Svg(script), digest=digest, **facts)


@cache
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["span"] = lambda seconds: "–" if seconds is None else span(seconds)
    return environment
