"""Batch transform: a model asked about a folder at once, without an endpoint.

Batch("birds-20260102-030405-678", here()) comes back to what was started elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from launcher.config import load_preset, transform_config
from launcher.config.presets import Preset
from launcher.config.transform_words import is_folder
from launcher.kept import save_config
from launcher.notebook import html
from launcher.notebook.jobs import Job, Search, followed
from launcher.notebook.places import Started, behind, in_aws
from launcher.notebook.shown import Answers
from launcher.notebook.words import transform_words
from launcher.opening import DoorWords
from launcher.sagemaker import TRANSFORM_ENDED
from launcher.verbs import answers, cost, models, transforms, tuning
from launcher.verbs.answers import Transformed
from launcher.verbs.selection import NothingLeft, settled


@dataclass(frozen=True)
class Batch(Started):
    """A batch transform job. What it tells is asked for each time."""

    @property
    def description(self) -> transforms.Description:
        """DescribeTransformJob's answer. Raises NotFound."""
        return transforms.describe(self.door, self.name)

    @property
    def ended(self) -> bool:
        """Whether it is at its end."""
        return self.description["TransformJobStatus"] in TRANSFORM_ENDED

    @property
    def result(self) -> Transformed:
        """How many pictures, how long, where their answers are, and how many were right where that is known."""
        return self._last_result if self.ended else self._result()

    @property
    def answers(self) -> Answers:
        """What was said of each picture, beside the truth where its folder or its name tells it."""
        return self._last_answers if self.ended else self._answers()

    def follow(self) -> Batch:
        """Print what it does until it has ended. Raises JobFailed or JobStopped."""
        try:
            transforms.conclude(followed(transforms.watch(self.door, self.name)))
        except KeyboardInterrupt:
            self._let_go("Transform job")
            raise
        return self

    def _repr_html_(self) -> str:
        described = self.description
        if described["TransformJobStatus"] in TRANSFORM_ENDED:
            found = dict(self._last_shown.rows())
        else:
            found = {"status": described["TransformJobStatus"]}
        return html.facts(f"Transform job {self.name}", {**found, "why": described.get("FailureReason")})

    def _result(self) -> Transformed:
        return answers.result(self.door, self.description, score=True)

    def _shown(self) -> Transformed:
        """The result; in AWS without its score, for which all answers would be read back from S3."""
        return self._last_result if self.door.kind == "local" else answers.result(self.door, self.description)

    def _answers(self) -> Answers:
        return Answers(self.name, list(answers.rows(self.door, self.description)))

    # No more answers come once it has ended: each of these reads them once.
    _last_result = cached_property(_result)
    _last_shown = cached_property(_shown)
    _last_answers = cached_property(_answers)


def transform(
    model: Job | Search | str | Path,
    pictures: str | Path,
    *,
    preset: str | None = None,
    where: DoorWords | None = None,
    resume: bool = False,
    **words: Any,
) -> Batch | Transformed:
    """Ask a job's model, a search's best, a model.tar.gz or one of SageMaker's about all pictures in a folder.

    ``words`` are the options of `launch.py transform`. Where ``resume`` leaves nothing to do there is no job, and what
    answers lie there is given back. Raises ConfigError, NotFound, JobFailed, JobStopped.
    """
    where = where or (model.where if isinstance(model, Job | Search) else in_aws().at(str(model)))
    found = _found(model, where)
    given = transform_words(pictures, found, words)
    config = transform_config(given, load_preset(preset) if preset else Preset(), where.place(), stem=found.stem)
    assert config.transform is not None
    door = where.open(starts=True, say=print)
    folder = Path(pictures) if is_folder(given) else None
    try:
        made = settled(where, door, config.transform, folder, resume=resume, say=print)
    except NothingLeft as nothing:
        print(nothing)
        standing = answers.standing(door, nothing.transform, nothing.keys, score=True)
        if standing.unscored:
            print(standing.unscored)
        return standing
    if not where.local:
        print(cost.of_transform(made, region=door.region))
    transforms.start(door, made, say=print)
    save_config(config.model_copy(update={"transform": made}), where.state)
    return Batch(made.name, behind(door, where)).follow()


def _found(model: Job | Search | str | Path, where: DoorWords) -> models.Found:
    if isinstance(model, Job):
        return models.Found(model.name, model_data=model.model)
    if isinstance(model, Search):
        return models.Found(model.name, model_data=tuning.artifact(model.door, model.name))
    return models.by_place(str(model)) or models.find(where.open_for(str(model)), str(model))
