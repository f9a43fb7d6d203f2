import math
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis import write_report
from analysis.report import render_page
from analysis.study import Study
from sweeper.ledger import Ledger
from trainer.errors import UserError
from trainer.spec import Status

HOSTILE = "<script>alert('x')</script>"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects what a page loads and says, and that its elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
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


def read(path):
    return Page(path.read_text(encoding="utf-8"))


def test_the_report_and_the_files_behind_it(digits):
    path = write_report(digits)
    assert path == digits.report / "report.html"
    names = {str(file.relative_to(digits.report)) for file in digits.report.rglob("*.*")}
    assert {"report.html", "front.csv", "trials.csv", "front.svg", "front.png"} <= names
    assert sum(name.startswith("curves/") and name.endswith(".svg") for name in names) == 7
    assert sum(name.startswith("curves/") and name.endswith(".png") for name in names) == 7
    assert len(pd.read_csv(digits.report / "trials.csv")) == 7
    front = pd.read_csv(digits.report / "front.csv")
    assert front["tau"].tolist() == sorted(front["tau"])
    assert front["on_front"].sum() == 5


def test_the_page_is_one_small_file_that_loads_nothing(study_of, trial):
    noisy = trial().curves.take(np.repeat(np.arange(200), 10)).to_pandas()
    noisy["step"] = np.arange(1, 2001)
    noisy[["sse", "hit_rate"]] = np.random.default_rng(0).random((2000, 2))
    curves = pa.Table.from_pandas(noisy, preserve_index=False)
    path = write_report(study_of([trial(1.0, curves=curves), trial(1.5, curves=curves)]))
    page = read(path)
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in page.links)
    assert "script" not in page.tags
    assert path.stat().st_size < 150_000 + 2 * 170_000  # so that 28 trials fit into 5 MB


def test_the_page_says_in_order_what_a_reader_needs(digits):
    text = read(write_report(digits)).text
    marks = [
        "On digits, 4 of 16 dimensions suffice",
        "This is the knee",
        "The front",
        "knee: start here",
        "Reconstructions along the front",
        "What the columns mean",
        "All trials",
        "Each trial's course",
        "What was run, and on what",
        "sweeper run pareto --dataset digits --taus 0.5..3.5..0.5",
        "AMD EPYC",
    ]
    places = [text.find(mark, text.find(marks[0])) for mark in marks]
    assert -1 not in places
    assert places == sorted(places)
    for fact in ("ab" * 32, "1 min 00 s", "1 min 24 s", "torch 2.13.0", "abc123"):
        assert fact in text


def test_hostile_names_and_errors_are_only_text(study_of, trial):
    record = trial(status=Status.FAILED, error=HOSTILE, test_sse_sampled=math.nan)
    ledger = study_of([record, trial(2.0)], study=HOSTILE, dataset=HOSTILE)
    manifest = ledger.manifest()
    manifest["runs"][0] |= {"command": HOSTILE, "hardware": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    manifest["setting"][HOSTILE] = HOSTILE
    ledger.write_manifest(manifest)
    page = read(write_report(ledger))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 6


@pytest.mark.parametrize(
    ("taus", "changes", "said"),
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
def test_a_study_that_found_no_knee_is_still_readable(study_of, trial, taus, changes, said):
    nan = {}
    if changes.get("status") in (Status.FAILED, Status.DIVERGED):
        names = ("gate_l1", "train_sse", "test_sse_sampled", "test_sse_mean", "constraint_ma")
        nan = dict.fromkeys((*names, "multiplier", "kl", "steps_per_second"), math.nan)
        nan["samples"] = None
    text = read(write_report(study_of([trial(tau, **changes, **nan) for tau in taus]))).text
    for words in said:
        assert words in text
    assert "nan" not in text


def test_a_study_killed_in_its_first_run_has_no_account_of_it(study_of, trial):
    text = read(write_report(study_of([trial()], runs=[]))).text
    assert "left no account of itself" in text


def test_a_run_that_trained_nothing_has_no_overhead(study_of, trial):
    ledger = study_of([trial()])
    manifest = ledger.manifest()
    manifest["runs"][0] |= {"trained": 0, "reused": 1, "overhead": None, "git_commit": None}
    ledger.write_manifest(manifest)
    text = read(write_report(ledger)).text
    assert "0 trained, 1 reused" in text
    assert "overhead –" in text
    assert "git commit –" in text


def test_several_seeds_show_their_range(study_of, trial):
    asked = [trial(1.5, seed, open_gates=gates) for seed, gates in enumerate((4, 5, 4))]
    text = read(write_report(study_of(asked))).text
    assert "4 (4–5)" in text
    assert "3 of 3" in text


def test_writing_again_gives_the_same_page(study_of, trial):
    ledger = study_of([trial()])
    first = write_report(ledger).read_bytes()
    assert write_report(ledger).read_bytes() == first
    assert not list(ledger.report.rglob("*.part"))


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no study"):
        write_report(Ledger(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_the_page_is_rendered_without_pictures_too(digits):
    assert "<img" not in render_page(Study.read(digits), [])
