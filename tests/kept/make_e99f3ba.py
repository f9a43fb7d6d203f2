"""Makes the kept studies with version e99f3ba; see tests/kept/README.md."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from sweeper.answer import answer_json
from sweeper.run_record import RunSummary

import sweeper.backends.local as local
import sweeper.ledger as ledger_module
from sweeper import cli, display
from sweeper.ledger import Ledger

out = Path(sys.argv[1])
COMMON = ["--layers", "16", "--steps", "6000", "--backend", "local", "--checkpoint-seconds", "0"]


def sweeper(*arguments, study):
    sys.argv = ["sweeper", *arguments, *COMMON, "--study", str(study)]
    try:
        cli.main()
    except SystemExit as end:
        return end.code
    return 0


def interrupted(at, *arguments, study):
    before = display.Display.progressed

    def progressed(self, spec, progress):
        before(self, spec, progress)
        if progress.step >= at and not interrupted.done:
            interrupted.done = True
            signal.raise_signal(signal.SIGINT)

    interrupted.done = False
    display.Display.progressed = progressed
    local.REPORT_SECONDS = 0.0
    code = sweeper(*arguments, study=study)
    display.Display.progressed = before
    local.REPORT_SECONDS = 1.0
    assert code == 130, code


os.chdir(out)
sweeper(
    "run", "pareto", "--dataset", "digits", "--taus", "1,2,3,5", "--widths", "8", study="pareto"
)
ledger_module.VOLUME = 4  # trials in a volume; 500 would take hours
Ledger("pareto").bind()
ledger_module.VOLUME = 500
sweeper(
    "run", "pareto", "--dataset", "digits", "--taus", "1,2,3,5,6", "--widths", "8", study="pareto"
)
shutil.copytree("pareto", "undisturbed")
TAUS = ["--taus", "1,2,3,4,5,6", "--widths", "8"]
interrupted(2500, "run", "pareto", "--dataset", "digits", *TAUS, study="pareto")
sweeper("run", "pareto", "--dataset", "digits", *TAUS, study="undisturbed")
sweeper(
    "run",
    "trajectory",
    "--dataset",
    "digits",
    "--tau",
    "3",
    "--width",
    "8",
    "--seeds",
    "2",
    study="trajectory",
)
sweeper("run", "compare", "--dataset", "digits", "--taus", "2,4", "--width", "8", study="compare")
sweeper("run", "compression", "--datasets", "digits", "--sizes", "2,3", study="compression")
for name in ("undisturbed", "trajectory", "compare", "compression"):
    ledger = Ledger(name)
    answer = answer_json(ledger, RunSummary(outcome="done"))
    del answer["run"], answer["report"], answer["folder"]
    Path(name, "report", "answer.json").write_text(json.dumps(answer, indent=1))
