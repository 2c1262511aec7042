"""The page that tells of a training: report.html, from what the job left in output/data.

``python -m container.train.report FOLDER`` makes it again. Reading order: `record` (what is read), `verdict` (what
comes of it), `figures` (charts), `page`; `mistakes` is what the job itself adds to the folder beforehand.
"""
