"""Gathering what a report tells, and writing its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from launcher.doors import Door
from launcher.errors import ConfigError, NotFound
from launcher.verbs import training, tuning
from launcher.verbs.training import Description


@dataclass(frozen=True)
class Gathered:
    """A search, its trials' summaries, and what each trial's training job says of itself, by name."""

    search: Description
    trials: list[Description]
    jobs: dict[str, Description]


def gather(door: Door, name: str) -> Gathered:
    """All there is on the search called ``name``. Raises NotFound, and ConfigError for a training job."""
    try:
        search = tuning.describe(door, name)
    except NotFound as exc:
        if _is_training_job(door, name):
            raise ConfigError(
                f"'{name}' is a training job, and reports are of searches; `launch.py status {name}` shows its metrics."
            ) from exc
        raise NotFound(f"There is no search '{name}'.{_guess(door, name)}") from exc
    trials = tuning.trials(door, name)
    jobs = {}
    for trial in trials:
        try:
            jobs[trial["TrainingJobName"]] = training.describe(door, trial["TrainingJobName"])
        except NotFound:
            continue  # deleted since; its summary stays
    return Gathered(search, trials, jobs)


def write(gathered: Gathered, output: Path, *, place: str = "") -> Path:
    """Write the page and return where it is; ``place`` leads the commands that it shows back to the same door."""
    from launcher.report.search import page

    output.write_text(page(gathered.search, gathered.trials, gathered.jobs, place=place), encoding="utf-8")
    return output


def _is_training_job(door: Door, name: str) -> bool:
    try:
        training.describe(door, name)
    except NotFound:
        return False
    return True


def _guess(door: Door, name: str) -> str:
    from container.common.names import nearest

    newest = door.sagemaker.list_hyper_parameter_tuning_jobs(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=100
    )["HyperParameterTuningJobSummaries"]
    found = nearest(name, [each["HyperParameterTuningJobName"] for each in newest])
    return f" Did you mean '{found}'?" if found else " `launch.py status` lists what there is."
