"""What a job does with its machine and its time, in the files smdebug's profiler readers parse, and rules over them.

``python -m container.train.profile FOLDER`` evaluates a folder, ours or SageMaker's. Reading order: proc and gpu
(one sample), monitor (the process that samples), system_files; clock and phases (the job's own time), timeline;
series and profile (what rules look at), system_rules and step_rules, evaluation; profiler (all of it, for a job).
"""
