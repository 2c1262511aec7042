"""Reports: one HTML page that needs no network, in light, in dark and on paper.

`svg`, `scales` and `plots` draw, with the standard library alone; `page` renders (Jinja, inside the function), and
templates/ has what every report looks like. A report itself is a template on `base.html.j2` beside its own module.
"""
