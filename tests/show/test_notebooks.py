"""The notebooks of the two walks run without an error and print the article's numbers."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
NEEDED = ("IPython", "anywidget", "ipykernel", "nbclient", "nbformat")
LACKING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"needs {LACKING}: pip install 'wengert[test]'"),
]

# In a process of its own: the client's sockets and event loop warn when they are collected. The
# kernel is this Python, whatever kernels the machine has.
EXECUTE = """
import sys, nbclient, nbformat
from jupyter_client.manager import AsyncKernelManager
source, path = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
manager = AsyncKernelManager(kernel_name="python3")
manager.kernel_spec.argv[0] = sys.executable
nbclient.NotebookClient(notebook, km=manager, timeout=120).execute()
nbformat.write(notebook, path)
"""


def executed(name, folder):
    """The outputs of a notebook's cells; the client fails where a cell raises."""
    import nbformat

    source, path = NOTEBOOKS / name, folder / name
    kept = nbformat.read(source, as_version=4)
    assert not any(cell.get("outputs") for cell in kept.cells)  # kept without outputs
    command = [sys.executable, "-c", EXECUTE, str(source), str(path)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = nbformat.read(path, as_version=4)
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def kinds(outputs):
    """The MIME types of what was displayed, a set for each output."""
    return [set(output.data) for output in outputs if "data" in output]


def test_circuits(tmp_path):
    outputs = executed("circuits.ipynb", tmp_path)
    text = printed(outputs)
    assert "#2: f = 30  gradient 1" in text
    assert "96.0 288.0 288.0" in text
    assert "#4: o = power(h, 2)       -> 144" in text
    assert re.search(r"x = 3 +adjoint 96", text)
    assert "loss 0.202649, gradients -0.445694 and -0.668541" in text
    assert "y = 0.980, loss = 0.00040" in text
    shown = kinds(outputs)
    assert sum("image/svg+xml" in data for data in shown) == 2
    assert sum("application/vnd.jupyter.widget-view+json" in data for data in shown) == 1


def test_spiral(tmp_path):
    outputs = executed("spiral.ipynb", tmp_path)
    text = printed(outputs)
    assert "p['W1']" in text
    first, last, accuracy = re.search(
        r"loss ([\d.]+) at first, ([\d.]+) at last; accuracy ([\d.]+)", text
    ).groups()
    assert float(first) == pytest.approx(1.0986, abs=2e-3)  # log 3: it knows nothing
    assert float(last) < 0.4
    assert float(accuracy) > 0.95
    assert {"image/svg+xml", "image/png"} <= set().union(*kinds(outputs))
