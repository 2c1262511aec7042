"""The report on a hyperparameter search: one HTML page that needs no network, from SageMaker's own answers.

What reports look like is `container.common.charts`, which the report on a training shares.
"""
