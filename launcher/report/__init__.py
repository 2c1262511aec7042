"""Reports: one HTML page that needs no network, from SageMaker's own answers.

`svg`, `scales` and `charts` know nothing of searches and import the standard library alone; `page` and
`templates/base.html.j2` are what every report looks like; `search` is the report on a hyperparameter search.
"""
