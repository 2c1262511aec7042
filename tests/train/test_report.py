"""The page that tells of a training."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from container.common.charts import matrix
from container.common.charts.plots import Axis, Line, lines
from container.common.charts.scales import Linear
from container.common.errors import ContainerError
from container.common.hyperparameters import parse
from container.common.images import Geometry
from container.train import job
from container.train.console import Console
from container.train.decode import Images
from container.train.evaluate import Evaluation
from container.train.report import mistakes
from container.train.report.figures import when
from container.train.report.page import leave, page, write
from container.train.report.record import read
from container.train.report.verdict import interval
from container.train.stopping import StopSignal
from container.train.world import World
from tests.pages import Reader
from tests.train.jobs import Jobs
from tests.train.left import confusion, epoch, finding, left, mistake, profile, rule, write_json
from tests.train.places import QUICK

# smdebug is read with, and imports what warns.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TWO, TWELVE = ("cat", "dog"), tuple(f"{number}{hand}" for number in range(6) for hand in "LR")
MANY = tuple(f"{number:03d}.Nova_scotia_duck_tolling_retriever" for number in range(133))
ADVICE = "The gradients vanish; raise lr."
VANISHING = rule(
    "VanishingGradient",
    "IssuesFound",
    *(finding(f"gradient/layer{n}", ADVICE, mean_absolute=10.0 ** -(8 + n), threshold=1e-7) for n in range(3)),
)
HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)>'


def twelve(tmp_path: Path, **more: Any) -> Path:
    return left(tmp_path, classes=TWELVE, counts=confusion(12), **more)


def seen(folder: Path, **options: Any) -> Reader:
    return Reader(page(read(folder), now=NOW, **options))


def test_the_verdict_says_how_good_the_model_is_and_how_sure_that_is(tmp_path: Path) -> None:
    counts = [[90, 10], [5, 95]]
    text = seen(left(tmp_path, classes=TWO, counts=counts), name="bees").text
    assert "bees Completed As of 2026-11-20 09:00 UTC" in text
    assert "92.5 % test accuracy on 200 images (between 88.0 % and 95.4 % with 95 % confidence)" in text
    assert "by the network of epoch 4" in text
    assert "Exported as int8: 93.2 % on validation, 11.8 ms an image; 0.20 points less than fp32, which takes" in text


def test_an_interval_holds_what_was_measured_and_narrows_with_the_images() -> None:
    # Wilson's, computed by hand for 9 of 10.
    assert interval(0.9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-3)
    assert interval(1.0, 24)[1] == pytest.approx(1.0) and interval(0.0, 24)[0] == pytest.approx(0.0)
    assert interval(0.9, 1000)[0] > 0.87


def test_a_model_that_guesses_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    guesses = seen(left(tmp_path / "a", classes=TWO, counts=[[0, 10], [0, 90]])).text
    assert "This is not surely better than always answering 'dog', which gives 90.0 %." in guesses
    assert "1 class never recognized: cat." in guesses
    assert "always answering" not in seen(left(tmp_path / "b", classes=TWO, counts=[[90, 10], [50, 850]])).text


def test_why_training_ended_early_is_told(tmp_path: Path) -> None:
    stopped = {"stopped_by": "stopped by rule DeadRelu: A ReLU stands on the logits."}
    text = seen(twelve(tmp_path / "rule", changes=stopped, epochs="30")).text
    assert "After 5 epochs of 30, training was stopped by rule DeadRelu: A ReLU stands on the logits." in text
    text = seen(twelve(tmp_path / "patience", epochs="30", early_stopping_patience="3")).text
    assert "Training stopped early, after epoch 5 of 30: no lower validation loss for 3 epochs." in text
    assert "early" not in seen(twelve(tmp_path / "whole")).text.split("Configuration")[0]


def test_rules_with_issues_stand_with_advice_values_and_a_chart(tmp_path: Path) -> None:
    rules = [rule("DeadRelu"), VANISHING, rule("AllZero", "Error", details="It broke.")]
    found = seen(twelve(tmp_path, rules=rules, profile=profile()))
    assert "1 rule found issues: VanishingGradient. 1 rule could not be evaluated: AllZero." in found.text
    assert "2 profiler rules found no issues." in found.text
    assert f"VanishingGradient Issues found {ADVICE}" in found.text
    assert ["3", "gradient/layer0", "mean absolute1e-08, threshold1e-07"] in found.rows
    assert "DeadRelu no issues" in found.text and "It broke." in found.text
    marks = [attrs for _, attrs in found.elements if attrs.get("class") == "mark dot bad"]
    assert len(marks) == 3
    (threshold,) = [a for tag, a in found.elements if tag == "line" and a.get("class") == "at" and a["y1"] == "8"]
    assert all(float(mark["cx"] or 0) < float(threshold["x1"] or 0) for mark in marks), "all lie below it"


def test_an_overfit_rests_on_both_curves(tmp_path: Path) -> None:
    values = {"training_loss": 0.2, "validation_loss": 0.55}
    overfit = rule("Overfit", "IssuesFound", finding("losses", "More images.", mode="EVAL", **values))
    plain, found = (seen(twelve(tmp_path / name, rules=rules)) for name, rules in (("a", []), ("b", [overfit])))
    assert found.classes("colour-2") > plain.classes("colour-2")


def test_without_what_a_section_needs_it_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    text = seen(folder).text
    for words in (
        "Not finished", "No model was judged", "No epoch came to its end.", "No rule was evaluated in this job.",
        "The job ended before its images were counted.", "Where the time went was not measured.",
        "There is no config.json",
    ):  # fmt: skip
        assert words in text
    assert not {"Confusion matrix", "Worst mistakes", "Utilization"} & set(text.split("  "))


def test_a_failed_jobs_page_gives_the_reason_and_the_epochs_it_had(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "failure").write_text("Training diverged: the loss was nan; lower lr.")
    write_json(folder / "metrics.json", {"history": [epoch(1), epoch(2)]})
    found = seen(folder)
    assert "Failed" in found.text and "The job failed. Training diverged: the loss was nan; lower lr." in found.text
    assert "training had come to the end of epoch 2" in found.text
    assert found.classes("point") == 2 * 2 * 2 * 2, "two epochs, two lines, two charts, wide and narrow"


def test_damaged_files_are_left_out_and_named(tmp_path: Path) -> None:
    folder = twelve(tmp_path)
    (folder / "rules.json").write_text('[{"RuleConf')
    (folder / "mistakes.json").write_text("{}")
    (folder / "confusion_matrix.csv").write_text("a,b\n1\n")
    (folder / "debug" / "index" / "000000000").mkdir(parents=True)
    (folder / "debug" / "index" / "000000000" / "0_worker_0.json").write_text("{}")
    text = seen(folder).text
    assert "it cannot be read: confusion_matrix.csv, mistakes.json, rules.json, debug." in text
    assert "test accuracy on 600 images" in text
    for line in ("a,0.5,,0.5,3", "a,0.5,0.5"):
        (folder / "per_class.csv").write_text(f"class,precision,recall,f1,support\n{line}\n")
        assert "it cannot be read: per_class.csv, " in seen(folder).text
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["history"][0]["epoch"]
    write_json(folder / "metrics.json", metrics)
    assert "test accuracy" in seen(folder).text


def test_a_long_name_may_be_broken_at_its_joints_alone(tmp_path: Path) -> None:
    folder = twelve(tmp_path)
    write_json(folder / "rules.json", [rule("DeadRelu", "IssuesFound", finding("net.layer4.1.relu_1<b>", "Wake."))])
    page_ = seen(folder)
    assert "net.layer4.1.relu_1<b>" in page_.text and ("wbr", {}) in page_.elements


def test_what_the_job_was_at_is_drawn_when_it_was() -> None:
    phases = [
        {"name": "setup", "start": 0, "seconds": 10, "spans": [[0, 10]]},
        {"name": "train", "start": 10, "seconds": 60, "spans": [[10, 40], [50, 80]]},
        {"name": "validate", "start": 40, "seconds": 10, "spans": [[40, 49.9]]},
        {"name": "export", "start": 80, "seconds": 20},
    ]
    found = [(band.label, round(band.start), round(band.end)) for band in when(phases, 100.0)]
    assert found == [("setup", 0, 10), ("train", 10, 40), ("validate", 40, 50), ("train", 50, 80), ("export", 80, 100)]
    # A thousand epochs: what took most of each part that can be told apart.
    many = [{"name": name, "spans": [[i + start, i + end] for i in range(1000)]}
            for name, start, end in (("train", 0.0, 0.9), ("validate", 0.9, 1.0))]  # fmt: skip
    assert [(band.label, band.start, round(band.end)) for band in when(many, 1000.0)] == [("train", 0.0, 1000)]


def test_the_classes_stand_with_their_figures_and_many_with_the_weakest_first(tmp_path: Path) -> None:
    head, *rows = [row for row in seen(twelve(tmp_path / "few")).rows if len(row) == 6]
    assert head == ["Class", "F1", "Precision", "Recall", "Test images", "Training images"]
    assert [row[0] for row in rows] == list(TWELVE) and rows[3][4:] == ["50", "57"]
    many = seen(left(tmp_path / "many", classes=MANY, counts=confusion(133, images=8)))
    scores = [float(row[1]) for row in many.rows if len(row) == 6 and row[0] in MANY]
    assert len(scores) == 133 and scores == sorted(scores)


@pytest.mark.parametrize("classes", [TWO, TWELVE, MANY])
def test_every_cell_of_a_confusion_matrix_is_in_its_place(classes: tuple[str, ...]) -> None:
    size = len(classes)
    counts = [[0] * size for _ in classes]
    for index in range(size):
        counts[index][index] = 9
    counts[0][size - 1] = 1
    drawn = matrix.heat(counts, classes)
    cells = re.findall(
        r'<rect x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)" height="[0-9.]+" class="cell (\S+)"', drawn
    )
    if size > 40:
        shades = {look: d.count("M") for d, look in re.findall(r'<path d="([^"]*)" class="cell (\S+)"', drawn)}
        assert shades == {"hit-4": size - 1, "hit-3": 1, "miss-2": 1}
        return
    assert len(cells) == size + 1
    ((x, y, _, _),) = [cell for cell in cells if cell[3].startswith("miss")]
    assert float(x) == max(float(cell[0]) for cell in cells) and float(y) == min(float(cell[1]) for cell in cells)


def test_names_along_a_large_matrix_are_thinned_and_do_not_overlap() -> None:
    drawn = matrix.heat(confusion(133, images=8), MANY)
    heights = [float(y) for y in re.findall(r'y="([0-9.]+)" class="tick end"', drawn)]
    assert 30 < len(heights) < 133
    assert min(b - a for a, b in pairwise(heights)) >= 12


def test_the_most_frequent_mistakes_stand_first(tmp_path: Path) -> None:
    counts = confusion(12, wrong=0)
    counts[2][5], counts[7][1] = 4, 9
    rows = [row for row in seen(left(tmp_path, classes=TWELVE, counts=counts)).rows if len(row) == 4]
    assert rows[1:3] == [["3R", "0R", "9", "15.3 %"], ["1L", "2R", "4", "7.4 %"]]


def test_the_data_are_shown_by_split_and_class(tmp_path: Path) -> None:
    few = seen(twelve(tmp_path / "few"))
    assert "From 54 training images (3L) to 60 (0L); the median class has 57.5." in few.text
    assert "58 · 10 · 50" in few.text
    many = seen(left(tmp_path / "many", classes=MANY, counts=confusion(133, images=8)))
    assert many.classes("column") == 2 * 3 * 133


def test_bad_files_are_listed_with_their_reasons(tmp_path: Path) -> None:
    bad = {"train": [{"file": "/data/a/1.jpg", "reason": "The image is cut short."}], "validation": [], "test": []}
    found = seen(twelve(tmp_path, changes={"bad_files": bad}))
    assert ["train", "/data/a/1.jpg", "The image is cut short."] in found.rows
    assert "1 file gave no usable image and was left out." in found.text


def test_where_the_time_went_and_what_was_used(tmp_path: Path) -> None:
    found = seen(twelve(tmp_path, profile=profile(gpu=True)))
    assert "features 24.0 s" in found.text and "other 2.4 s" in found.text
    assert "median 12.4 ms, one in twenty longer than 18.1 ms; on average data 2.1 ms" in found.text
    for title in ("Processors, %", "Memory, GB", "GPU, %", "GPU memory, GB", "Disk reading, MB/s"):
        assert title in found.text
    assert "Network" not in found.text, "it was never used"


def test_the_configuration_tells_what_was_set_from_what_was_not(tmp_path: Path) -> None:
    text = seen(twelve(tmp_path, lr="0.004", model="resnet18")).text
    given, usual = text.split("Set for this job")[1].split("At their defaults")
    assert "model resnet18" in given and "lr 0.004" in given and "optimizer" not in given
    assert "optimizer adamw" in usual and "torch 2.12.1" in usual


def test_words_of_others_stay_words(tmp_path: Path) -> None:
    classes = (HOSTILE, "日本の蜂", "عربي")
    rules = [rule(HOSTILE, "IssuesFound", finding(HOSTILE, HOSTILE, **{HOSTILE: HOSTILE})), rule("A", HOSTILE)]
    bad = {"train": [{"file": HOSTILE, "reason": HOSTILE}]}
    made = profile()
    made["phases"][0]["name"] = HOSTILE
    fake = {**mistake(HOSTILE, "日本の蜂", 0.9), "thumbnail": 'javascript:alert("1")'}
    folder = left(
        tmp_path, classes=classes, counts=confusion(3), rules=rules, mistakes=[mistake(HOSTILE, "عربي", 0.9), fake],
        profile=made, changes={"bad_files": bad, "stopped_by": HOSTILE, "versions": {HOSTILE: HOSTILE}},
    )  # fmt: skip
    (tmp_path / "failure").write_text(HOSTILE)
    found = seen(folder, name=HOSTILE)
    tags = [tag for tag, _ in found.elements]
    assert tags.count("script") == 1 and tags.count("img") == 1
    assert not any(name.startswith("on") for _, attrs in found.elements for name in attrs)
    assert HOSTILE in found.text and "日本の蜂" in found.text and "The picture is gone." in found.text


def test_the_page_needs_nothing_from_anywhere(tmp_path: Path) -> None:
    folder = twelve(tmp_path, mistakes=[mistake("0L", "0R", 0.99)], rules=[VANISHING], profile=profile())
    text = page(read(folder), now=NOW)
    found = Reader(text)
    fetched = [str(attrs[name]) for _, attrs in found.elements for name in ("src", "href") if name in attrs]
    assert len(fetched) == 2 and all(each.startswith("data:") for each in fetched)
    assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text
    (policy,) = [attrs["content"] for _, attrs in found.elements if attrs.get("http-equiv")]
    assert policy is not None and policy.startswith("default-src 'none'")


def test_pages_are_of_moderate_size(tmp_path: Path) -> None:
    shown = [mistake(MANY[n], MANY[n + 1], 0.9) for n in range(24)]
    many = left(tmp_path, classes=MANY, counts=confusion(133, images=8), mistakes=shown, profile=profile(cores=64))
    assert len(write(many).read_bytes()) < 500_000


def test_a_page_that_cannot_be_made_is_a_warning(tmp_path: Path) -> None:
    folder = twelve(tmp_path, changes={"history": [1]})
    log = io.StringIO()
    leave(folder, Console(stream=log))
    assert log.getvalue().startswith(f"warning: {folder / 'report.html'} could not be made (")
    assert not (folder / "report.html").exists()


def test_a_line_of_a_single_point_is_seen() -> None:
    axis = Axis(label="x", scale=Linear(0, 2))
    drawn = lines([Line(label="train", points=[(1, 1)])], axis, axis, at=1)
    assert drawn.count("<circle") == 1 and 'class="at"' in drawn


def evaluated(rows: list[list[float]], labels: list[int]) -> Evaluation:
    return Evaluation.of(np.array(rows, dtype=np.float32), np.array(labels))


def images(tmp_path: Path, labels: list[int], pixels: np.ndarray) -> Images:
    files = tuple(tmp_path / "abc"[label] / f"{row}.jpg" for row, label in enumerate(labels))
    return Images(
        name="test", labels=np.array(labels), files=files, digests=("",) * len(labels), bad=(), load=lambda: pixels
    )


def test_the_worst_mistakes_are_the_surest_wrong_answers(tmp_path: Path) -> None:
    from PIL import Image

    result = evaluated([[5, 0, 0], [0, 1, 0], [0, 9, 0], [0, 0, 2]], [0, 0, 2, 0])
    pixels = np.stack([np.full((64, 64, 3), 50 * row, dtype=np.uint8) for row in range(4)])
    split = images(tmp_path, [0, 0, 2, 0], pixels)
    assert split.pixels is pixels
    found = mistakes.worst(result, split, "abc", Geometry(64))
    assert [(each["file"], each["true"], each["predicted"]) for each in found] == [
        ("c/2.jpg", "c", "b"), ("a/3.jpg", "a", "c"), ("a/1.jpg", "a", "b"),
    ]  # fmt: skip
    assert found[0]["probability"] == pytest.approx(np.exp(9) / (np.exp(9) + 2))
    assert found[0]["true_probability"] == pytest.approx(1 / (np.exp(9) + 2))
    picture = Image.open(io.BytesIO(base64.b64decode(found[0]["thumbnail"].split(",")[1])))
    assert picture.size == (64, 64) and abs(int(np.asarray(picture).mean()) - 100) <= 2


def test_a_split_is_not_decoded_for_a_few_thumbnails(tmp_path: Path) -> None:
    from PIL import Image

    def refuse() -> np.ndarray:
        raise AssertionError("the whole split was decoded")

    split = replace(images(tmp_path, [0, 1], np.empty(0)), load=refuse)
    split.files[0].parent.mkdir()
    Image.new("L", (90, 70), 200).save(split.files[0])
    for channels in (1, 3):
        found = mistakes.worst(evaluated([[0, 1], [1, 0]], [0, 1]), split, "ab", Geometry(32, channels=channels))
        assert found[0]["thumbnail"].startswith("data:image/jpeg;base64,")
        assert found[1]["thumbnail"] == "", "its file is gone"


def test_no_more_mistakes_are_kept_than_are_looked_at(tmp_path: Path) -> None:
    labels = [0] * 40
    split = images(tmp_path, labels, np.zeros((40, 8, 8, 1), dtype=np.uint8))
    assert len(split.pixels) == 40
    found = mistakes.worst(evaluated([[0, row / 10, 0] for row in range(40)], labels), split, "abc", Geometry(8))
    assert len(found) == mistakes.MOST == 24
    assert [each["file"] for each in found[:2]] == ["a/39.jpg", "a/38.jpg"]
    assert mistakes.worst(evaluated([[1, 0, 0]] * 40, labels), split, "abc", Geometry(8)) == []


def test_a_job_leaves_its_page_with_the_losses_its_hook_saved(jobs: Jobs) -> None:
    jobs.run(rules="LossNotDecreasing", epochs="2")
    folder = jobs.paths().output
    record = read(folder)
    assert [len(record.history), len(record.losses["EVAL"])] == [2, 2]
    logged = [each["validation:loss"] for each in record.history]
    assert [loss for _, loss in record.losses["EVAL"]] == pytest.approx(logged, rel=1e-4)
    text = Reader((folder / "report.html").read_text(encoding="utf-8")).text
    assert "test accuracy on 24 images" in text and "as smdebug saved it" in text
    assert "Every class has 24 training images." in text


def test_a_job_that_fails_leaves_the_epochs_and_the_data_it_had(jobs: Jobs) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise ContainerError("The export failed.")

    paths, h = jobs.paths(), parse(QUICK | {"epochs": "2"})
    with pytest.raises(ContainerError, match="The export failed"):
        job.run(paths, h, World(torch.device("cpu")), Console(stream=io.StringIO()), StopSignal(), exporter=broken)
    found = json.loads((jobs.paths().output / "metrics.json").read_text())
    assert len(found["history"]) == 2 and found["metrics"]["test:accuracy"] >= 0
    with pytest.raises(ContainerError, match="diverged"):
        jobs.run("wild", lr="1e38", epochs="3", optimizer="sgd", momentum="0")
    found = json.loads((jobs.paths("wild").output / "metrics.json").read_text())
    assert found["images_by_class"]["train"] == {"across": 24, "down": 24, "slanted": 24}
    assert isinstance(found["history"], list)
