"""The verbs from Python: functions whose results show themselves in a notebook.

    from launcher.notebook import delete, deploy, here, predict, prepare, report, train, transform

    data = prepare("photos", "photos-prepared")
    job = train(data, model="mobilenet_v2", epochs=5, where=here())       # in_aws(region="eu-west-1") for AWS
    endpoint = deploy(job)
    endpoint.predict("some.jpg")
    predict(endpoint, data.folder / "test")
    transform(job, data.folder / "test")
    report(job)
    delete(endpoint, job)

Words are the command line's: what its options say of a job or an endpoint is a keyword of the same name (kms_key for
--kms-key), each hyperparameter too. What is to be put right is a launcher.errors.LauncherError.
"""

from launcher.notebook.batches import Batch, transform
from launcher.notebook.jobs import Job, Search
from launcher.notebook.places import here, in_aws
from launcher.notebook.shown import Answers, Data, Deleted, Page
from launcher.notebook.verbs import Endpoint, delete, deploy, predict, prepare, report, train, tune
from launcher.verbs.answers import Transformed

__all__ = [
    "Answers",
    "Batch",
    "Data",
    "Deleted",
    "Endpoint",
    "Job",
    "Page",
    "Search",
    "Transformed",
    "delete",
    "deploy",
    "here",
    "in_aws",
    "predict",
    "prepare",
    "report",
    "train",
    "transform",
    "tune",
]
