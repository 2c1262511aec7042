"""Rules that watch a training: SageMaker Debugger's built-in rules, open, on smdebug's Rule interface.

``python -m container.train.rules FOLDER`` evaluates a folder of tensors that smdebug has written anywhere.
Reading order: findings, parameters, steps, rule (the base), a rule such as vanishing_gradient, registry,
evaluation (rules over a folder), runner (the process beside a training), needs (which tensors they want).
"""
