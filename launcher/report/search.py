"""The report on a hyperparameter search.

page(sagemaker.describe_hyper_parameter_tuning_job(…), summaries, {name: sagemaker.describe_training_job(…), …})
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from container.common.charts import plots
from container.common.charts.page import render
from container.common.charts.plots import SHADES, Axis, Mark, Point, Strand
from container.common.charts.scales import EMPTY, Category, Linear, Scale, around
from container.common.charts.svg import Svg
from container.common.durations import unit
from launcher.report.importance import importances
from launcher.report.trials import Answer, Parameter, Search, Trial, read

_TEMPLATE = Path(__file__).parent / "templates" / "search.html.j2"

_MARKS: dict[str, Mark] = {"completed": "dot", "failed": "cross"}
_PROGRESS = (520.0, 280.0)


@dataclass(frozen=True)
class Figure:
    """A chart for a wide place, and another for a narrow one where the first would be too small to read."""

    title: str
    wide: Svg
    narrow: Svg | None = None


@dataclass(frozen=True)
class Share:
    """A hyperparameter's part of the objective's variance."""

    name: str
    value: float


def page(
    search: Answer,
    trials: Sequence[Answer],
    jobs: Mapping[str, Answer] | None = None,
    *,
    place: str = "",
    now: datetime | None = None,
) -> str:
    """The report as HTML.

    ``trials`` are the summaries that list_training_jobs_for_hyper_parameter_tuning_job gives, ``jobs`` the answers of
    describe_training_job by name, as far as there are any; ``place`` is what leads the commands shown to the search's
    door (" --local").
    """
    now = now or datetime.now(UTC)
    found = read(search, trials, jobs or {}, now=now)
    shares = importances(found.parameters, found.trials)
    billable = [trial.billable for trial in found.trials if trial.billable is not None]
    return render(
        _TEMPLATE,
        search=found,
        place=place,
        made=f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        number=_number,
        brief=_brief,
        billable=sum(billable) if billable else None,
        trained=sum(trial.seconds for trial in found.trials if trial.seconds is not None),
        usual_reason=_usual_reason(found),
        progress=_progress(found),
        against=[_against(found, parameter) for parameter in found.parameters] if found.measured else [],
        parallel=_parallel(found),
        shares=[] if isinstance(shares, str) else [Share(name, value) for name, value in shares.items()],
        no_shares=shares if isinstance(shares, str) else "",
        marks=_marks(found),
    )


def _number(value: float) -> str:
    """An objective in as many digits as tell something."""
    return f"{value:.5g}"


def _brief(value: str) -> str:
    """A tuned value in as many digits as tell something: 0.0027586 for 0.002758550374111351."""
    try:
        return value if value.lstrip("-").isdigit() else _number(float(value))
    except ValueError:
        return value or EMPTY


def _usual_reason(search: Search) -> str:
    """Why most of the failed trials failed."""
    reasons = Counter(trial.reason for trial in search.trials if trial.state == "failed" and trial.reason)
    return reasons.most_common(1)[0][0] if reasons else ""


def _marks(search: Search) -> list[str]:
    """The kinds of mark that the charts show."""
    states = {_mark(trial) for trial in search.trials if _shown(trial)}
    return [mark for mark in ("dot", "ring", "cross") if mark in states]


def _mark(trial: Trial) -> Mark:
    return _MARKS.get(trial.state, "ring")


def _shown(trial: Trial) -> bool:
    return trial.objective is not None or trial.state == "failed"


def _title(search: Search, trial: Trial) -> str:
    lines = [f"trial {trial.number}, {trial.state}"]
    if trial.objective is not None:
        lines.append(f"{search.metric} {_number(trial.objective)}")
    lines += [f"{name} {_brief(value)}" for name, value in trial.values.items()]
    return "\n".join(lines)


def _objective(search: Search) -> Axis:
    return Axis(
        label=search.metric, scale=around([each.objective for each in search.measured if each.objective is not None])
    )


def _point(search: Search, trial: Trial, x: float | str) -> Point:
    return Point(x=x, y=trial.objective, mark=_mark(trial), title=_title(search, trial), best=trial is search.best)


def _progress(search: Search) -> list[Figure]:
    """The objective trial by trial, and over time."""
    if not search.measured:
        return []
    objective = _objective(search)
    shown = [trial for trial in search.trials if _shown(trial)]
    figures = []
    last = max(trial.number for trial in search.trials)
    by_trial = Axis(label="trial", scale=Linear(0.5, last + 0.5, whole=True, wanted=10))
    points = [_point(search, trial, trial.number) for trial in shown]
    figures.append(_both(f"{search.metric} by trial", points, by_trial, objective, search))
    ended = [(trial, trial.ended_after) for trial in shown if trial.ended_after is not None]
    if ended:
        longest = max(after for _, after in ended)
        name, seconds = unit(longest)
        by_time = Axis(label=f"{name} since the start", scale=Linear(0.0, max(longest / seconds * 1.02, 1e-3)))
        points = [_point(search, trial, after / seconds) for trial, after in ended]
        figures.append(_both(f"{search.metric} over time", points, by_time, objective, search))
    return figures


def _both(title: str, points: Sequence[Point], x: Axis, y: Axis, search: Search) -> Figure:
    wide = plots.scatter(points, x, y, size=_PROGRESS, steps=True, maximize=search.maximize)
    return Figure(title, wide, plots.scatter(points, x, y, steps=True, maximize=search.maximize))


def _against(search: Search, parameter: Parameter) -> Figure:
    """The objective against one hyperparameter, on the scale it was searched on."""
    points = [
        _point(search, trial, trial.values[parameter.name])
        for trial in search.trials
        if _shown(trial) and parameter.name in trial.values
    ]
    scale: Scale = parameter.scale
    if isinstance(scale, Category):
        points, scale = plots.spread(points, scale), plots.Spread(scale)
    return Figure(parameter.name, plots.scatter(points, Axis(label=parameter.name, scale=scale), _objective(search)))


def _parallel(search: Search) -> Figure | None:
    """Every trial as a line through all hyperparameters, the better the stronger."""
    if len(search.measured) < 2 or not search.parameters:
        return None
    axes = [*(Axis(label=each.name, scale=each.scale) for each in search.parameters), _objective(search)]
    shades = _shades(search)
    strands = [
        Strand(
            values=[*(trial.values.get(each.name) for each in search.parameters), trial.objective],
            shade=shades.get(trial.number),
            title=_title(search, trial),
            best=trial is search.best,
        )
        for trial in search.trials
        if _shown(trial)
    ]
    return Figure("", plots.parallel(axes, strands), plots.parallel_level(axes, strands))


def _shades(search: Search) -> dict[int, int]:
    """Shades by rank, so that one bad trial does not make all others look alike."""
    ranked = sorted(
        ((trial.objective, trial.number) for trial in search.measured if trial.objective is not None),
        reverse=not search.maximize,
    )
    return {number: rank * SHADES // len(ranked) for rank, (_, number) in enumerate(ranked)}
