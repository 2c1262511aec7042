"""Reports: of a search, made from what its trials tell; of a training job, which has made it itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from launcher.doors import Door
from launcher.errors import NotFound
from launcher.verbs import outputs, training, tuning
from launcher.verbs.training import Description

# What a training job calls its page, in output.tar.gz.
REPORT = "report.html"


@dataclass(frozen=True)
class Gathered:
    """A search, its trials' summaries, and what each trial's training job says of itself, by name."""

    search: Description
    trials: list[Description]
    jobs: dict[str, Description]


def save(door: Door, name: str, output: Path, *, place: str = "") -> Path:
    """Write the page on the search or the training job called ``name``; where it is.

    ``place`` leads the commands that it shows back to the same door. Raises NotFound, and ConfigError for a job that
    still runs.
    """
    try:
        search = tuning.describe(door, name)
    except NotFound as exc:
        job = _training_job(door, name)
        if job is None:
            raise NotFound(f"There is no search or training job '{name}'.{guess(door, name)}") from exc
        output.write_bytes(of_job(door, job))
        return output
    return write(gather(door, search), output, place=place)


def gather(door: Door, search: Description) -> Gathered:
    """All there is on a described search."""
    trials = tuning.trials(door, search["HyperParameterTuningJobName"])
    jobs = {}
    for trial in trials:
        try:
            jobs[trial["TrainingJobName"]] = training.describe(door, trial["TrainingJobName"])
        except NotFound:
            continue  # deleted since; its summary stays
    return Gathered(search, trials, jobs)


def write(gathered: Gathered, output: Path, *, place: str = "") -> Path:
    """Write a search's page and return where it is."""
    from launcher.report.search import page

    output.write_text(page(gathered.search, gathered.trials, gathered.jobs, place=place), encoding="utf-8")
    return output


def of_job(door: Door, description: Description) -> bytes:
    """The page that a training job has left in its output.tar.gz, of which no more is read than it takes.

    Raises ConfigError for a job that still runs, NotFound for one that left none, UnusableData for a damaged archive.
    """
    with outputs.readable(outputs.archive_of(description), "run the job again for its report"):
        for path, file in outputs.files(door, description, "report"):
            if path == PurePosixPath(REPORT):
                return file.read()
    raise outputs.absent(description, "report")


def _training_job(door: Door, name: str) -> Description | None:
    try:
        return training.describe(door, name)
    except NotFound:
        return None


def guess(door: Door, name: str) -> str:
    """For a name that no job and no search has: the nearest that one has, or where all are listed."""
    from container.common.names import nearest

    newest = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
    searches = door.sagemaker.list_hyper_parameter_tuning_jobs(**newest)["HyperParameterTuningJobSummaries"]
    jobs = door.sagemaker.list_training_jobs(**newest)["TrainingJobSummaries"]
    names = [each["HyperParameterTuningJobName"] for each in searches] + [each["TrainingJobName"] for each in jobs]
    found = nearest(name, names)
    return f" Did you mean '{found}'?" if found else " `launch.py status` lists what there is."
