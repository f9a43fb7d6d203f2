import subprocess
import sys


def test_analysis_loads_neither_torch_nor_ray_nor_pyplot():
    program = (
        "import sys, analysis, analysis.report, analysis.figures; "
        "print([name for name in ('torch', 'ray', 'matplotlib.pyplot') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
