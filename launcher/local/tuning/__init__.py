"""Hyperparameter searches of the local door: CreateHyperParameterTuningJob on this machine.

In reading order: ``calls`` (what a client may ask), ``checks`` (what is refused), ``search`` (the detached process
that starts trials, watches them and ends the search), ``trials`` (what a search is on the disk), ``space`` and
``scales`` (ranges and their scales), ``strategies`` (what to try next), ``median`` and ``hyperband`` (what to end
early), ``completion`` (when enough was tried), ``warmstart`` (what earlier searches know).
"""
