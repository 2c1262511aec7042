"""The verbs: functions of words, which give back jobs, endpoints and what there is to see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from launcher.config import endpoint_config, load_preset, training_config, tuning_config
from launcher.config.presets import Preset
from launcher.config.tuned import tuned_preset, tuned_words
from launcher.config.words import endpoint_name, fresh_name
from launcher.data import prepare as prepare_data
from launcher.doors import Door
from launcher.errors import ConfigError, LauncherError
from launcher.kept import forget_config, save_config, watching
from launcher.notebook import html
from launcher.notebook.batches import Batch
from launcher.notebook.jobs import Job, Search
from launcher.notebook.places import Place, behind, in_aws, spoken
from launcher.notebook.shown import Answers, Data, Deleted, Page
from launcher.notebook.words import deploy_words, train_words, tune_words
from launcher.opening import DoorWords
from launcher.predictor import Predictor
from launcher.sagemaker import TRAINING_ENDED
from launcher.verbs import cost, endpoints, prediction, settling, training, transforms, tuning
from launcher.verbs import report as reports
from launcher.verbs.scoring import scored


def prepare(source: Place, destination: Place, **options: Any) -> Data:
    """Split a set of any known layout; ``options`` are launcher.data.prepare's. Raises DatasetError."""
    return Data(prepare_data(source, Path(destination), **options))


def tune(
    data: Data | Place | None = None, *, preset: str | None = None, where: DoorWords | None = None, **words: Any
) -> Search:
    """Search for the best hyperparameters, and print the trials as they end.

    ``words`` are the options of `launch.py tune` and hyperparameters that all trials share; ``ranges`` is a mapping:
    {"lr": "0.001:0.1:log", "batch_size": [32, 64]}, and ``goal`` is Minimize or Maximize. Raises ConfigError,
    JobFailed, JobStopped.
    """
    where = where or in_aws()
    given = tune_words(data, words)
    config = tuning_config(given, _recipe(preset), where.place())
    door = where.open(starts=True, say=print)
    if not where.local:
        config = settling.settled(door, config, given.training.managed, say=print)
    assert config.tuning is not None
    name = tuning.start(door, config.tuning)
    save_config(config, where.state)
    return Search(name, behind(door, where)).follow()


def train(
    data: Data | Place | None = None,
    *,
    preset: str | None = None,
    from_tuning: Search | str | None = None,
    where: DoorWords | None = None,
    **words: Any,
) -> Job:
    """Fine-tune a classifier, and print its epochs as they pass.

    ``words`` are the options of `launch.py train` and hyperparameters, over those of ``preset`` or of the best trial of
    ``from_tuning``. Raises ConfigError, JobFailed, JobStopped.
    """
    if preset and from_tuning:
        raise ConfigError("Give either a preset or from_tuning, which brings its search's own recipe.")
    search = from_tuning if isinstance(from_tuning, Search) else None
    if from_tuning and not search:
        search = Search(str(from_tuning), where or in_aws())
    where = where or (search.where if search else in_aws())
    given, recipe = train_words(data, words), _recipe(preset)
    if search:
        watched = watching(search.name, search.where.state)
        recipe = tuned_preset(search.description, tuning.best(search.description), watched)
        given = tuned_words(search.description, given)
    config = training_config(given, recipe, where.place())
    door = where.open(starts=True, say=print)
    if not where.local:
        config = settling.settled(door, config, given.managed, say=print)
    assert config.training is not None
    name = training.start(door, config.training)
    save_config(config, where.state)
    return Job(name, behind(door, where)).follow()


class Endpoint(Predictor):
    """An endpoint, to be asked: `Endpoint("birds-live", here()).predict("some.jpg")` comes back to one."""

    def __init__(self, name: str, where: DoorWords | None = None) -> None:
        self.where = (where or in_aws()).at(name)
        super().__init__(name, door=self.where.open_for(name))

    @property
    def door(self) -> Door:
        """The door it is behind."""
        return self._door

    @property
    def description(self) -> endpoints.Description:
        """DescribeEndpoint's answer. Raises NotFound."""
        return endpoints.describe(self._door, self.name)

    def _repr_html_(self) -> str:
        described = self.description
        found = {
            "status": described["EndpointStatus"],
            "why": described.get("FailureReason"),
            "address": self._door.address(self.name),
            "variants": ", ".join(each["VariantName"] for each in described.get("ProductionVariants", [])),
        }
        return html.facts(f"Endpoint {self.name}", found)


def deploy(
    model: Job | Search | Place,
    *,
    name: str | None = None,
    preset: str | None = None,
    where: DoorWords | None = None,
    **words: Any,
) -> Endpoint:
    """Put a job's model, that of a search's best trial, or a model.tar.gz behind an endpoint, and wait for it.

    ``words`` are the options of `launch.py deploy`, but for those of an update. Raises ConfigError, JobFailed.
    """
    where = where or (model.where if isinstance(model, Job | Search) else in_aws())
    if isinstance(model, Job):
        source, address = model.name, model.model
    elif isinstance(model, Search):
        source, address = model.name, tuning.artifact(model.door, model.name)
    else:
        source, address = None, str(model)
    called = name or (endpoint_name(source) if source else fresh_name("endpoint"))
    config = endpoint_config(deploy_words(called, address, words), _recipe(preset), where.place())
    assert config.endpoint is not None
    door = where.open(starts=True, say=print)
    if not where.local:
        print(cost.of_endpoint(config.endpoint, region=door.region))
    endpoints.start(door, config.endpoint)
    started = behind(door, where)
    save_config(config, where.state)
    try:
        for status, message in endpoints.watch(door, called):
            print(f"{status}: {message}" if message else status)
    except KeyboardInterrupt:
        paid = "" if where.local else ", and is paid for"
        print(f"Endpoint {called} goes on{paid}; delete(Endpoint({called!r}, {spoken(started)})) ends it.")
        if config.endpoint.hosting.scaling:
            print("Its autoscaling is not set up; `launch.py deploy --endpoint` with --autoscale does it.")
        raise
    endpoints.finish(door, config.endpoint)
    return Endpoint(called, started)


def predict(endpoint: Endpoint, pictures: Place | Iterable[Place], *, top_k: int = 3) -> Answers:
    """Ask about files, and folders of them; their class folders, or Kaggle's names, tell what is right.

    Of several pictures those that the endpoint refuses are told in the answer. Raises PredictionError, NotFound.
    """
    places = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    files = prediction.files_of([Path(place) for place in places])
    refused: list[prediction.PictureRefused] = []
    about = partial(
        prediction.predict, endpoint.door, endpoint.name, on_refused=refused.append if len(files) > 1 else None
    )
    # All labels of the first: which words in a path are labels is for the model to say.
    answers = [*about(files[:1], top_k=prediction.ALL_LABELS), *about(files[1:], top_k=top_k)]
    labels = {str(best["label"]) for answer in answers for each in answer.predictions for best in _best(each)}
    cut = [[{**each, "top_k": _best(each)[:top_k]} for each in answer.predictions] for answer in answers]
    rows = [row for answer, found in zip(answers, cut, strict=True) for row in scored(answer.file, found, labels)]
    return Answers(endpoint.name, rows, [str(each) for each in refused])


def _best(found: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return list(found.get("top_k", [found]))


def report(of: Job | Search, output: Place | None = None) -> Page:
    """The page on a job or a search, NAME-report.html unless told. Raises NotFound."""
    return Page(reports.save(of.door, of.name, Path(output or f"{of.name}-report.html")))


def delete(*things: Endpoint | Job | Search | Batch) -> Deleted:
    """Delete endpoints with what was made for them, ended jobs, and searches with their trials; models, answers stay.

    Raises LauncherError for a job that still runs.
    """
    gone: list[str] = []
    kept: list[str] = []
    for thing in things:
        state = thing.where.state
        if isinstance(thing, Endpoint):
            deletion = endpoints.delete(thing.door, thing.name)
            forget_config("endpoints", thing.name, state)
            gone += deletion.gone
            kept += deletion.kept
        elif isinstance(thing, Search):
            _require_ended(thing.name, thing.ended)
            output = thing.description["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
            trials = tuning.delete(thing.door, thing.name)
            forget_config("tuning-jobs", thing.name, state)
            gone.append(f"search {thing.name} and its {len(trials)} trials")
            kept.append(f"the trials' models under {output}")
        elif isinstance(thing, Batch):
            _require_ended(thing.name, thing.ended)
            output = thing.description["TransformOutput"]["S3OutputPath"]
            gone += transforms.delete(thing.door, thing.name)
            forget_config("transform-jobs", thing.name, state)
            kept.append(f"its answers at {output}")
        else:
            description = thing.description
            _require_ended(thing.name, description["TrainingJobStatus"] in TRAINING_ENDED)
            thing.door.sagemaker.delete_training_job(TrainingJobName=thing.name)
            forget_config("training-jobs", thing.name, state)
            gone.append(f"training job {thing.name}")
            kept += [f"its model at {uri}" for uri in [description.get("ModelArtifacts", {}).get("S3ModelArtifacts")]
                     if uri]  # fmt: skip
    return Deleted(gone, kept)


def _require_ended(name: str, ended: bool) -> None:
    if not ended:
        raise LauncherError(f"{name} still runs; stop it first with `launch.py stop {name}`.")


def _recipe(preset: str | None) -> Preset:
    return load_preset(preset) if preset else Preset()
