"""Serving: start-up, readiness gate, request handler, engines, explanations.

Reading order: start → server → gate (the container's side), handler → pipeline → request, response,
engines, explanation, overrides (a worker's side). ``settings`` and ``report`` are shared by both.
"""
