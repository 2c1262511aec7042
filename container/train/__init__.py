"""The training container's inside: from input/config and input/data to a model that is ready to serve.

Reading order: entry (how a job starts and ends), job (its story), then data, decode, weights, freezing,
features, loop, evaluate, export.
"""
