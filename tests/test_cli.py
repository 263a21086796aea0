"""The `wengert` command: what it prints, what it refuses, and how it says so."""

import json
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from wengert import cli
from wengert.demo import main as demo_main
from wengert.demo.report import Check, Section


def run(*args):
    return CliRunner().invoke(cli.app, list(args))


def explained(*args):
    """The JSON of a call that succeeds, its entries by name."""
    result = run("explain", "--json", *args)
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    return data | {"entries": {entry["name"]: entry for entry in data["entries"]}}


def refusal(*args):
    """What is said about a call that fails, without a traceback."""
    result = run("explain", *args)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


def test_explain_prints_the_diamond_with_values_adjoints_and_local_derivatives():
    result = run("explain", "((x*y)*(y*z))**2", "x=3", "y=2", "z=1")
    assert result.exit_code == 0
    lines = {" ".join(line.split()) for line in result.output.splitlines()}
    assert {
        "x 3 96",
        "y 2 288",
        "z 1 288",
        "#1 v1 multiply(x, y) 6 48 by x: y = 2 96 to x",
        "by y: x = 3 144 to y",
        "#2 v2 multiply(y, z) 2 144 by y: z = 1 144 to y",
        "by z: y = 2 288 to z",
        "#3 v3 multiply(v1, v2) 12 24 by v1: v2 = 2 48 to v1",
        "by v2: v1 = 6 144 to v2",
        "#4 v4 power(v3, 2) 144 1 by v3: 2*v3 = 24 24 to v3",
    } <= lines


def test_json_has_every_number_of_the_diamond():
    data = explained("((x*y)*(y*z))**2", "x=3", "y=2", "z=1")
    assert data["result"] == 144
    values = {name: (entry["value"], entry["adjoint"]) for name, entry in data["entries"].items()}
    assert values == {
        "x": (3, 96), "y": (2, 288), "z": (1, 288),
        "v1": (6, 48), "v2": (2, 144), "v3": (12, 24), "v4": (144, 1),
    }  # fmt: skip
    assert data["entries"]["v1"]["local_derivatives"] == [
        {"operand": "x", "formula": "y", "value": 2, "contribution": 96},
        {"operand": "y", "formula": "x", "value": 3, "contribution": 144},
    ]


def test_check_puts_finite_differences_beside_the_adjoints():
    data = explained("--check", "sin(x*y) + exp(x)/y", "x=0.7", "y=1.3")
    for name in ("x", "y"):
        entry = data["entries"][name]
        assert_allclose(entry["finite_difference"], entry["adjoint"], rtol=1e-9)
    assert "finite_difference" not in data["entries"]["v1"]


@pytest.mark.parametrize(
    ("expression", "values", "gradient"),
    [
        ("sum(x**2)", ["x=[1, 2, 3]"], [2, 4, 6]),
        ("np.sum(np.exp(x))", ["x=[0,1]"], [1, np.e]),
        ("numpy.linalg.det(x)", ["x=[[2,0],[0,3]]"], [[3, 0], [0, 2]]),
        ("special.erf(x)", ["x=0"], 2 / np.sqrt(np.pi)),
        ("expit(x)", ["x=0"], 0.25),
        ("scipy.special.logsumexp([x, 0])", ["x=0"], 0.5),
        ("sum([x, 2*x] * [3, 4])", ["x=1"], 11),
        ("x[0] * x[-1]", ["x=[2,3]"], [3, 2]),
        ("sum(x.T @ x)", ["x=[[1,2]]"], [[6, 6]]),
        ("sum(where(x > 1, x, 0))", ["x=[1,2]"], [0, 1]),
        ("mean(x, axis=0)", ["x=[1,2]"], [0.5, 0.5]),
        ("x * pi", ["x=1"], np.pi),
        ("trace(x * eye(2))", ["x=1"], 2),
        ("e * x", ["x=2", "e=5"], 5),
        ("abs(x)", ["x=-3"], -1),
    ],
)
def test_expressions_and_their_gradients(expression, values, gradient):
    data = explained(expression, *values)
    assert_allclose(data["entries"]["x"]["adjoint"], gradient, rtol=1e-14)


def test_values_are_read_as_floats_and_may_be_computed():
    assert cli.read_value("3") == 3.0
    assert isinstance(cli.read_value("3"), float)
    assert cli.read_value("pi/4") == np.pi / 4
    assert cli.read_value("[[1, 2], [3, 4]]").dtype == float
    assert_allclose(cli.read_value("linspace(0, 1, 3)"), [0, 0.5, 1])
    assert cli.read_value("1 + 2j") == 1 + 2j


def test_a_leading_minus_goes_after_two_dashes():
    assert run("explain", "--", "-x**2", "x=3").exit_code == 0


def test_a_result_that_is_no_scalar_is_said_to_be_summed():
    data = explained("sin(x)", "x=[0, 1]")
    assert_allclose(data["entries"]["x"]["adjoint"], np.cos([0.0, 1.0]))
    assert "adjoints are those of its sum" in data["notes"][0]


def test_decisions_on_the_way_are_named():
    (note,) = explained("sum(where(x > 1, x, 0))", "x=[1, 2]")["notes"]
    assert note.startswith("Decided: greater(x, 1) is [False, True]")


def test_the_names_of_textbooks_are_known():
    data = explained("relu(x) + sigmoid(y) + ln(z) + max(w, 0) + min(w, 1)",
                     "x=-2", "y=0", "z=4", "w=3")  # fmt: skip
    found = {name: data["entries"][name]["adjoint"] for name in "xyzw"}
    assert found == {"x": 0.0, "y": 0.25, "z": 0.25, "w": 1.0}


def test_of_one_argument_max_is_numpy_s():
    assert explained("max(x) + max(x, axis=0)", "x=[1, 5, 2]")["result"] == 10.0


def test_where_a_nan_begins_is_said():
    assert explained("log(x) * y", "x=-2", "y=1")["notes"] == ["Look at v1: nan starts here."]


def test_infinite_values_are_shown_without_a_warning():
    data = explained("log(x)", "x=0")
    assert data["entries"]["v1"]["value"] == "-inf"
    assert data["entries"]["x"]["adjoint"] == "inf"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("sqt(x)", "called sqt. The closest name is sqrt."),
        ("np.sqt(x)", "called np.sqt. The closest name is sqrt."),
        ("sigmod(x)", "called sigmod. The closest name is sigmoid."),
        ("x if x > 0 else y", "write where(x > 0, x, 0)"),
        ("x > 0 and y > 0", "write (x > 0) * (x < 1)"),
        ("lambda x: x", "write the expression alone"),
        ("[k * x for k in y]", "write arrays, sum(x*w)"),
        ("{'x': x}", "give each value a name"),
        ("x +* y", "not an expression: invalid syntax"),
        ("x + (y", "not an expression: '(' was never closed"),
        ("", "not an expression"),
        ("x; y", "not an expression"),
        ("x = 3", "not an expression"),
    ],
)
def test_what_is_no_expression_is_pointed_at(expression, message):
    output = refusal(expression, "x=3", "y=2")
    assert message in output
    assert "^" in output


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "x.__class__.__bases__",
        "().__class__",
        "__builtins__",
        "open('file')",
        "eval('1')",
        "exec('1')",
        "getattr(x, 'y')",
        "np.load('file')",
        "np.save('file', x)",
        "np.fromfile('file')",
        "np.ctypeslib.load_library('c', '.')",
        "np.lib.npyio.DataSource()",
        "np.linalg.linalg.os.getcwd()",
        "x.tofile('file')",
        "x.dump('file')",
        "(lambda: x)()",
        "[y for y in x]",
        "{x: y}",
        "{x}",
        "f'{x}'",
        "x if y else x",
        "x and y",
        "(y := x)",
        "sum(*x)",
        "sum(**x)",
        "await x",
        "_x",
    ],
)
def test_nothing_but_arithmetic_and_known_functions_is_evaluated(expression):
    with pytest.raises(cli.ExpressionError):
        cli.read_expression(expression)
    assert "^" in refusal(expression, "x=1", "y=1")


def test_an_expression_is_evaluated_without_builtins():
    function = cli.read_expression("sin(x)")
    assert function.__globals__["__builtins__"] == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x=3"], "no value for y. Add it: wengert explain 'x*y' x=… y=…"),
        ([], "no value for x and y"),
        (["x=3", "y=2", "z=1"], "'x*y' does not use z; it uses x, y"),
        (["x=3", "y=q"], "the value 'q' has the unknown name q"),
        (["x=3", "2"], "'2' has no name: write x=2"),
        (["x=3", "y="], "not an expression"),
    ],
)
def test_missing_and_superfluous_values_are_named(values, message):
    assert message in refusal("x*y", *values)


def test_shapes_that_do_not_fit_are_numpys_own_message():
    assert "mismatch" in refusal("x @ y", "x=[1,2,3]", "y=[1,2]")


def test_a_function_of_a_module_is_explained_with_its_own_names(tmp_path, monkeypatch):
    (tmp_path / "circuits.py").write_text(
        "import numpy as np\n"
        "def neuron(x, w, bias=0.0):\n"
        "    h = x @ w + bias\n"
        "    y = np.tanh(h)\n"
        "    return y**2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = explained("circuits:neuron", "[1,2]", "[0.3,0.4]", "bias=0.1")
    assert {"x", "w", "bias", "h", "y"} <= set(data["entries"])
    assert_allclose(data["result"], np.tanh(1.2) ** 2)
    assert "missing a required argument: 'w'" in refusal("circuits:neuron", "[1,2]")
    assert "circuits:nothing" in refusal("circuits:nothing")


def test_a_module_is_found_in_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text("def cube(x):\n    return x * x * x\n")
    (tmp_path / "run.py").write_text("from wengert.cli import main\nmain()\n")
    command = [sys.executable, "-P", "run.py", "explain", "--json", "mine:cube", "2"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["result"] == 8


def test_a_module_that_does_not_exist_is_named():
    assert "cannot load nothing_here:f" in refusal("nothing_here:f", "1")
    assert "is no function but float" in refusal("math:pi")


def test_version_names_what_computes():
    result = run("version")
    assert result.exit_code == 0
    assert result.output.startswith("wengert ")
    assert f"numpy {np.__version__}" in result.output


def test_without_the_extra_a_sentence_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; import wengert.cli"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert "pip install 'wengert[cli]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_demo_says_where_the_data_should_be(tmp_path):
    result = run("demo", "--out", str(tmp_path / "out"), "--data", str(tmp_path))
    assert result.exit_code == 2
    assert "nist_strd_nonlinear.json" in result.output
    assert "--data" in result.output


@pytest.mark.parametrize(("reached", "code"), [(0.99, 0), (0.5, 1)])
def test_demo_fails_if_a_bound_is_missed(tmp_path, monkeypatch, reached, code):
    section = Section("Part", [], [Check("accuracy", reached, 0.97)])
    monkeypatch.setattr(demo_main, "PARTS", {"part": lambda settings: section})
    assert run("demo", "--out", str(tmp_path)).exit_code == code
