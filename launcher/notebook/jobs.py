"""Training jobs and searches, by their names: what came of them, and how they show themselves.

Job("birds", here()) and Search("hands", here()) come back to what was started elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from container.common.durations import span
from container.common.metrics import parse_line
from launcher.notebook import html, plots
from launcher.notebook.places import Started
from launcher.notebook.plots import Plot
from launcher.sagemaker import TRAINING_ENDED, TUNING_ENDED
from launcher.verbs import rules, training, tuning
from launcher.verbs.logs import LogFollower
from launcher.verbs.training import Event, Logged, Moved


@dataclass(frozen=True)
class Job(Started):
    """A training job. What it tells is asked for each time."""

    @property
    def description(self) -> training.Description:
        """DescribeTrainingJob's answer. Raises NotFound."""
        return training.describe(self.door, self.name)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return training.metrics(self.description)

    @property
    def model(self) -> str:
        """Where model.tar.gz lies. Raises JobFailed where there is none."""
        return training.artifact(self.description)

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The metrics of each epoch, from the log."""
        found = (parse_line(line) for line in LogFollower.of_job(self.door.logs, self.name).lines())
        return [values for values in found if "epoch" in values]

    @property
    def curves(self) -> Plot:
        """Loss and accuracy by epoch."""
        return plots.curves(self.epochs)

    @property
    def rules(self) -> list[rules.State]:
        """How the rules that watched it stand, those with issues first."""
        return rules.states(self.door, self.description)

    def follow(self) -> Job:
        """Print what it does until it has ended. Raises JobFailed or JobStopped."""
        try:
            training.conclude(followed(training.watch(self.door, self.name)))
        except KeyboardInterrupt:
            self._let_go("Training job")
            raise
        return self

    def _repr_html_(self) -> str:
        described = self.description
        ended = described["TrainingJobStatus"] in TRAINING_ENDED
        seconds = described.get("TrainingTimeInSeconds")
        found = {
            "status": described["TrainingJobStatus"],
            "why": described.get("FailureReason"),
            "trained for": span(seconds) if ended and seconds else None,
            **{
                name: f"{value:.4f}"
                for name, value in training.metrics(described).items()
                if name.startswith(("validation:", "test:"))
            },
            "model": described.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        }
        states = rules.states(self.door, described)
        found["rules"] = rules.summary(states, self.name)
        told = [(each.rule, each.status, each.details) for each in states if each.status != "NoIssuesFound"]
        issues = html.table(("rule", "status", "found"), told) if told else ""
        return html.facts(f"Training job {self.name}", found) + issues


@dataclass(frozen=True)
class Search(Started):
    """A hyperparameter tuning job. What it tells is asked for each time."""

    @property
    def description(self) -> training.Description:
        """DescribeHyperParameterTuningJob's answer. Raises NotFound."""
        return tuning.describe(self.door, self.name)

    @property
    def trials(self) -> list[tuning.Trial]:
        """All trials, in their order."""
        return tuning.Observer(self.door, self.name).look().trials

    @property
    def best(self) -> dict[str, str]:
        """The values of the best trial. Raises JobFailed where there is none."""
        return dict(tuning.best(self.description)["TunedHyperParameters"])

    @property
    def plot(self) -> Plot:
        """The objective against each tuned hyperparameter."""
        return plots.trials(self.trials, tuning.objective_of(self.description))

    def follow(self) -> Search:
        """Print each trial as it ends, until the search has. Raises JobFailed or JobStopped."""
        told: set[str] = set()
        try:
            for look in tuning.watch(self.door, self.name):
                for trial in look.trials:
                    if trial.ended and trial.name not in told:
                        told.add(trial.name)
                        print(_line(trial, tuning.objective_of(look.description)))
        except KeyboardInterrupt:
            self._let_go("Search")
            raise
        tuning.conclude(self.door, self.description)
        return self

    def _repr_html_(self) -> str:
        look = tuning.Observer(self.door, self.name).look()
        metric = tuning.objective_of(look.description)
        names = list(dict.fromkeys(name for trial in look.trials for name in trial.values))
        rows = [
            (
                trial.number,
                *(_brief(trial.values.get(name, "")) for name in names),
                "" if trial.objective is None else f"{trial.objective:.4f}",
                trial.status,
                span(trial.seconds),
            )
            for trial in look.trials
        ]
        best = next((index for index, trial in enumerate(look.trials) if trial.best), None)
        status = look.description["HyperParameterTuningJobStatus"]
        found = html.facts(f"Search {self.name}", {"status": status, "why": look.description.get("FailureReason")})
        return found + html.table(("trial", *names, metric, "status", "for"), rows, strong=best)

    @property
    def ended(self) -> bool:
        """Whether it is at its end."""
        return self.description["HyperParameterTuningJobStatus"] in TUNING_ENDED


def followed(events: Iterable[Event]) -> Any:
    """Print states and epochs as they come; the description at the end."""
    for event in events:
        if isinstance(event, Moved):
            print(f"{event.status}: {event.message}" if event.message else event.status)
        elif isinstance(event, Logged):
            if parse_line(event.line):
                print(f"  {event.line}")
        else:
            return event.description
    raise AssertionError("watch() ends with Ended")


def _line(trial: tuning.Trial, metric: str) -> str:
    values = ", ".join(f"{name}={_brief(value)}" for name, value in trial.values.items())
    result = trial.reason or ("" if trial.objective is None else f"{metric} {trial.objective:.4f}")
    return f"trial {trial.number} {trial.status} in {span(trial.seconds)}: {values}: {result}"


def _brief(value: str) -> str:
    """Four digits tell enough; a search's values have seventeen."""
    value = value.strip('"')
    try:
        return value if len(value) <= 6 else f"{float(value):.4g}"
    except ValueError:
        return value
