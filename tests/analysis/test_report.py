import dataclasses
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis import StudyData, compute_report, write_report
from analysis.report import render_page
from sweeper.ledger.fields import Fields
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import Manifest
from trainer.errors import UserError
from trainer.verdict import Status

HOSTILE = "<script>alert('x')</script>"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects what a page loads and says, and checks that elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.attributes = set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def write(ledger):
    return Path(write_report(compute_report(StudyData.read(ledger))))


def report_of(ledger):
    return Path(str(ledger.report))


def read(path):
    return Page(path.read_text(encoding="utf-8"))


def test_the_report_and_the_files_behind_it(written_digits):
    folder = report_of(written_digits)
    names = {str(file.relative_to(folder)) for file in folder.rglob("*.*")}
    assert {"report.html", "front.csv", "trials.csv", "front.svg", "front.png"} <= names
    assert sum(name.startswith("curves/") and name.endswith(".svg") for name in names) == 7
    assert sum(name.startswith("curves/") and name.endswith(".png") for name in names) == 7
    assert len(pd.read_csv(folder / "trials.csv")) == 7
    front = pd.read_csv(folder / "front.csv")
    assert front["tau"].tolist() == sorted(front["tau"])
    assert front["on_front"].sum() == 5


def test_the_page_is_one_small_file_that_loads_nothing(study_of, trial):
    noisy = trial().curves.take(np.repeat(np.arange(200), 10)).to_pandas()
    noisy["step"] = np.arange(1, 2001)
    noisy[["sse", "hit_rate"]] = np.random.default_rng(0).random((2000, 2))
    curves = pa.Table.from_pandas(noisy, preserve_index=False)
    path = write(study_of([trial(1.0, curves=curves), trial(1.5, curves=curves)]))
    page = read(path)
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in page.links)
    assert "script" not in page.tags
    assert path.stat().st_size < 150_000 + 2 * 170_000  # so that 28 trials fit into 5 MB


def test_the_page_says_in_order_what_a_reader_needs(written_digits):
    text = read(report_of(written_digits) / "report.html").text
    marks = [
        "On digits, 4 of 16 dimensions suffice",
        "This is the knee",
        "The front",
        "knee: start here",
        "Reconstructions along the front",
        "What the columns mean",
        "All trials",
        "Training curves by trial",
        "What was run, and on what",
        "sweeper run pareto --dataset digits --taus 0.5..3.5..0.5",
        "AMD EPYC",
    ]
    places = [text.find(mark, text.find(marks[0])) for mark in marks]
    assert -1 not in places
    assert places == sorted(places)
    for fact in ("ab" * 32, "1 min 00 s", "1 min 24 s", "torch 2.13.0", "abc123"):
        assert fact in text


def change_run(ledger, **changes):
    """Write other facts of the only run."""
    manifest = ledger.manifest()
    (run,) = manifest.runs
    runs = (dataclasses.replace(run, **changes),)
    ledger.write_manifest(dataclasses.replace(manifest, runs=runs))


def test_hostile_names_and_errors_are_only_text(study_of, trial):
    record = trial(status=Status.FAILED, error=HOSTILE, test_sse_sampled=math.nan)
    ledger = study_of([record, trial(2.0)], settings={HOSTILE: {HOSTILE: HOSTILE}})
    change_run(ledger, command=HOSTILE, hardware=HOSTILE, versions={HOSTILE: HOSTILE})
    manifest = ledger.manifest()
    request = {**manifest.request, HOSTILE: [HOSTILE]}
    ledger.write_manifest(dataclasses.replace(manifest, request=request))
    page = read(write(ledger))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 10


def test_hostile_strings_in_every_column_are_escaped_everywhere(study_of, trial):
    """In text, attributes, comments, CSS and figures."""
    script = "<script>alert(1)</script>"
    attack = f"\"'--></style></title>{script}<img src=x onerror=alert(1)>{{{{ 7*7 }}}}$x^"
    names = ("dataset", "dataset_sha256", "architecture", "objective", "device", "error")
    record = trial(1.0, **dict.fromkeys(names, attack), versions={attack: attack})
    ledger = study_of([record, trial(2.0, **dict.fromkeys(names, attack))])
    manifest = _attacked(ledger.manifest().to_json(), attack)
    ledger.write_manifest(Manifest.of(Fields(manifest)))
    path = write(ledger)
    page = read(path)
    assert not {"script", "iframe", "object", "svg"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in page.links)
    assert page.text.count(script) >= 10
    assert "{{ 7*7 }}" in page.text
    for figure in report_of(ledger).rglob("*.svg"):
        assert "<script" not in figure.read_text()


def _attacked(value, attack):
    """Replace what a person could have typed, down to the leaves; what is read as data stays."""
    kept = {"study", "outcome", "started_at", "finished_at", "asked", "waiting", "settings"}
    kept |= {"format", "schema_version", "request"}
    if isinstance(value, dict):
        return {k: v if k in kept else _attacked(v, attack) for k, v in value.items()}
    if isinstance(value, list):
        return [_attacked(each, attack) for each in value]
    return attack if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("taus", "changes", "expected"),
    [
        ([], {}, ["No trial on digits has finished yet", "Run the same command again"]),
        ([1.5], {}, ["4 of 16 dimensions suffice", "single point"]),
        ([0.1, 0.2], {"status": Status.INFEASIBLE}, ["no front", "Raise τ (--taus)"]),
        ([1.0], {"status": Status.UNSETTLED}, ["no front", "Train longer (--steps)"]),
        (
            [1.0, 2.0],
            {"status": Status.FAILED, "error": "OSError: disk full", "curves": None},
            ["no front", "2 failed", "OSError: disk full"],
        ),
        ([1.0], {"status": Status.DIVERGED, "error": "loss is NaN"}, ["1 trial diverged"]),
    ],
)
def test_a_study_without_a_knee_has_a_readable_page(study_of, trial, taus, changes, expected):
    nan = {}
    if changes.get("status") in (Status.FAILED, Status.DIVERGED):
        names = ("gate_l1", "train_sse", "test_sse_sampled", "test_sse_mean", "constraint_ma")
        nan = dict.fromkeys((*names, "multiplier", "kl", "steps_per_second"), math.nan)
        nan["samples"] = None
    text = read(write(study_of([trial(tau, **changes, **nan) for tau in taus]))).text
    for words in expected:
        assert words in text
    assert "nan" not in text


def test_a_study_killed_in_its_first_run_has_no_record_of_it(study_of, trial):
    text = read(write(study_of([trial()], runs=[]))).text
    assert "left no record" in text


def test_a_run_that_trained_nothing_has_no_overhead(study_of, trial):
    ledger = study_of([trial()])
    change_run(ledger, trained=0, reused=1, overhead=None, git_commit=None)
    text = read(write(ledger)).text
    assert "0 trained, 1 reused" in text
    assert "overhead –" in text
    assert "git commit –" in text


def test_a_run_has_its_budget_and_pack_size_if_they_were_recorded(study_of, trial):
    ledger = study_of([trial()])
    text = read(write(ledger)).text
    assert "budget – " in text  # of an older version
    assert "pack size – " in text
    change_run(ledger, budget="standard", pack=4)
    text = read(write(ledger)).text
    assert "budget standard " in text
    assert "pack size 4 " in text


def test_several_seeds_show_their_range(study_of, trial):
    asked = [trial(1.5, seed, open_gates=gates) for seed, gates in enumerate((4, 5, 4))]
    text = read(write(study_of(asked))).text
    assert "4 (4–5)" in text
    assert "3 of 3" in text


def test_writing_again_gives_the_same_page(study_of, trial):
    ledger = study_of([trial()])
    assert write(ledger) == report_of(ledger) / "report.html"
    first = (report_of(ledger) / "report.html").read_bytes()
    assert write(ledger).read_bytes() == first
    assert not list(report_of(ledger).rglob("*.part"))


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no study"):
        write(Ledger(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_a_study_of_another_version_is_refused(study_of, trial):
    with pytest.raises(UserError, match="unknown study 'zoo'"):
        write(study_of([trial()], study="zoo"))


def test_counts_stay_whole_beside_a_trial_that_has_none(study_of, trial, failed, diverged):
    ledger = study_of([trial(2.0), trial(1.5), failed(1.0), diverged(0.5)])
    text = read(write(ledger)).text
    assert "4.0" not in text.split("All trials")[1].split("Warnings")[0]
    assert "5200.0" not in text
    table = (report_of(ledger) / "trials.csv").read_text().splitlines()
    place = table[0].split(",").index("open_gates")
    assert [line.split(",")[place] for line in table[1:]] == ["", "", "4", "4"]


def test_the_page_is_rendered_without_pictures_too(digits):
    assert "<img" not in render_page(compute_report(StudyData.read(digits)), [])


def test_the_report_of_compression_on_two_data_sets(study_of, pair):
    asked = [
        pair(size, seed, error=error * (1 + seed / 10), gates=size + seed, dataset=dataset)
        for dataset, error in (("sprites", 9.0), ("digits", 1.0))
        for size in (5, 10)
        for seed in range(3)
    ]
    records = [record for records in asked for record in records]
    baselines = [dataclasses.replace(record, curves=None) for record in records[::2]]
    ledger = study_of([*baselines, *records[1::2]])
    page = write(ledger)
    text = read(page).text
    for words in (
        "compression on sprites and digits",
        "In each of 4 cases, training narrows 2n dimensions to n, give or take 2.",
        "What is left of 2n",
        "6 (5–7)",
        "1.10 (1.00–1.20)",
        "9.90 (9.00–10.80)",
        "Compared with the paper",
        "sprites open gates at 2×, n = 5 6 6 (5–7) 0 3",
        "sprites: drawn from the factors of dsprites",
        "sprites: 4,000 steps, the paper 200,000 (2 %)",
    ):
        assert words in text
    assert "digits open gates at" not in text
    names = {file.name for file in report_of(ledger).iterdir()}
    assert {"compression.csv", "paper.csv", "trials.csv", "compression.svg"} <= names
    assert "front.csv" not in names
    table = pd.read_csv(report_of(ledger) / "compression.csv")
    assert len(table) == 12
    assert table.groupby(["dataset", "size"])["gates_2x"].median().tolist() == [6, 11, 6, 11]


def test_the_report_of_a_trajectory_of_three_seeds(study_of, trial):
    asked = [
        trial(25.0, seed, 10, dataset="sprites", open_gates=5 + seed, study="trajectory")
        for seed in range(3)
    ]
    ledger = study_of(asked)
    text = read(write(ledger)).text
    for words in (
        "8,000 steps narrow the bottleneck from 10 to 6 dimensions at τ = 25.",
        "Milestones",
        "Results by τ",
        "6 (5–7)",
        "Compared with the paper",
        "open gates after 10,000 steps (τ = 25) 9 sprites",  # ours is blank
    ):
        assert words in text
    names = {file.name for file in report_of(ledger).iterdir()}
    assert {"trajectory-tau25-width10.svg", "milestones.csv", "outcomes.csv", "paper.csv"} <= names
    milestones = pd.read_csv(report_of(ledger) / "milestones.csv")
    assert milestones["step"].tolist() == [400, *range(800, 8001, 800)]
    assert (milestones["error_min"] <= milestones["error"]).all()


@pytest.mark.parametrize(("dataset", "channels"), [("sprites", 1), ("rooms", 3)])
def test_the_report_of_a_comparison(study_of, trial, dataset, channels):
    images = np.random.default_rng(0).integers(0, 256, (8, channels, 64, 64), dtype=np.uint8)
    samples = {"images": images, "reconstructions": images // 2}
    asked = [
        trial(tau, width=10, dataset=dataset, open_gates=gates, samples=samples, study="compare")
        for tau, gates in ((20.0, 7), (35.0, 3))
    ]
    ledger = study_of(asked)
    text = read(write(ledger)).text
    kept = f"On {dataset}, training keeps 7 of 10 dimensions at τ = 20 and 3 of 10 at τ = 35."
    assert kept in text
    assert (report_of(ledger) / "comparison.png").exists()
    assert ("Compared with the paper" in text) == (dataset == "sprites")
    assert ("open gates at τ = 35, from 10 dimensions 3 3 0 1" in text) == (dataset == "sprites")
    assert (report_of(ledger) / "paper.csv").exists() == (dataset == "sprites")


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(study_of, trial):
    """A spreadsheet computes what begins with one of these; pandas reads the rest as before."""
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\r=1"]
    records = [
        trial(1.0 + seed, seed, device=text, error=text, constraint_ma=-0.5)
        for seed, text in enumerate(formulas)
    ]
    ledger = study_of(records)
    write(ledger)
    table = pd.read_csv(report_of(ledger) / "trials.csv")
    *begin, within = (text.replace("\r", "\n") for text in formulas)
    assert sorted(table["device"]) == sorted([*(f"'{text}" for text in begin), within])
    assert list(table["constraint_ma"]) == [-0.5] * len(formulas)
    assert table["width"].dtype.kind == "i"
