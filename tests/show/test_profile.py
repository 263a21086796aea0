"""`profile`: what is measured belongs to the right entry, line and moment."""

import io
import json

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, OutputPathError, SourceTypeError, StaleNodeError
from wengert.show.profile import Moment, bytes_text, profile

N = 1000


def chain(x):
    a = np.sin(x)
    b = a * x
    return np.sum(b)


def test_every_operation_has_a_cost_in_the_order_of_the_tape():
    measured = profile(chain, np.ones(N))
    traced = wg.trace(chain, np.ones(N))
    assert [cost.name for cost in measured.costs] == [x.name for x in traced.entries[1:]]
    assert [cost.index for cost in measured.costs] == [1, 2, 3]
    assert all(cost.forward > 0 and cost.backward > 0 for cost in measured.costs)
    assert measured.seconds == pytest.approx(sum(cost.seconds for cost in measured.costs))


def test_costs_of_a_loop_are_summed_by_the_users_line():
    def f(x):
        for _ in range(10):
            x = np.sin(x)
        return np.sum(x)

    measured = profile(f, np.ones(N))
    (loop,) = [line for line in measured.lines if "np.sin" in line.line.text]
    assert loop.entries == 10
    assert loop.forward == pytest.approx(sum(cost.forward for cost in measured.costs[:10]))
    assert loop.nbytes == 10 * 8 * N
    assert sum(line.entries for line in measured.lines) == 11


def test_the_slowest_line_comes_first():
    def f(x, w):
        small = np.sin(x)
        large = w @ (w @ w)
        return np.sum(small) + np.sum(large)

    rng = np.random.default_rng(0)
    measured = profile(f, np.ones(3), rng.normal(size=(200, 200)))
    assert "w @ (w @ w)" in measured.lines[0].line.text
    seconds = [line.seconds for line in measured.lines]
    assert seconds == sorted(seconds, reverse=True)


@pytest.mark.parametrize("what", ["seconds", "forward", "backward", "nbytes", "kept"])
def test_shares_add_up_to_one(what):
    shares = profile(chain, np.ones(N)).shares(what)
    assert set(shares) == {1, 2, 3}
    assert sum(shares.values()) == pytest.approx(1.0)


def test_what_no_adjoint_reaches_costs_nothing_backward():
    def f(x):
        np.exp(x)  # leads nowhere
        return np.sum(np.sin(x))

    lost, *others = profile(f, np.ones(N)).costs
    assert lost.backward == 0.0
    assert lost.forward > 0
    assert all(cost.backward > 0 for cost in others)


# ------------------------------------------------------------------------------------------- memory


def test_kept_are_the_buffers_that_the_sweep_reads_each_once():
    # sin keeps its operand, which the input holds; the product keeps both, of which one is new.
    by_name = {cost.name: cost for cost in profile(chain, np.ones(N)).costs}
    assert by_name["a"].kept == 0
    assert by_name["b"].kept == 8 * N
    assert by_name["a"].nbytes == 8 * N


def test_memory_of_a_chain_is_counted_by_hand():
    n = 8 * N
    memory = profile(chain, np.ones(N)).memory
    assert [(moment.phase, moment.index) for moment in memory] == [
        ("forward", 1), ("forward", 2), ("forward", 3),
        ("backward", 3), ("backward", 2), ("backward", 1),
    ]  # fmt: skip
    forward = [moment.nbytes for moment in memory[:3]]
    # x and a, which a product will keep; then b besides, until it is summed.
    assert forward[:2] == [2 * n, 3 * n]
    assert 3 * n <= forward[2] <= 3 * n + 8
    # Adjoints: of b; of b, a and x; of a and x.
    assert 2 * n < memory[3].nbytes <= 3 * n + 16
    assert memory[4].nbytes == pytest.approx(5 * n, rel=0.01)


def test_the_peak_is_the_moment_with_the_most_memory():
    def f(x):
        wide = np.outer(x, x)
        return np.sum(wide * wide)

    measured = profile(f, np.ones(300))
    assert measured.peak == max(measured.memory, key=lambda moment: moment.nbytes)
    assert measured.peak.phase == "backward"
    assert isinstance(measured.peak, Moment)
    assert "peak of memory" in str(measured)


def test_views_are_not_counted_twice():
    def f(x):
        return np.sum(np.reshape(x, (10, -1)) * 2.0)

    measured = profile(f, np.ones(N))
    assert measured.memory[0].nbytes == 8 * N


# ------------------------------------------------------------------------------------------ outputs


def test_the_table_names_lines_times_and_the_number_of_rounds():
    text = str(profile(chain, np.ones(N), repeats=3))
    assert "test_profile.py" in text
    assert "a = np.sin(x)" in text
    assert "medians of 3" in text
    assert profile(chain, np.ones(N)).table(by="entry", count=1).splitlines()[2] == "and 2 more"


def test_rich_shows_the_same_rows():
    console = pytest.importorskip("rich.console").Console(width=200, file=io.StringIO())
    console.print(profile(chain, np.ones(N)))
    assert "a = np.sin(x)" in console.file.getvalue()


def test_speedscope_gets_every_entry_below_its_phase_and_line(tmp_path):
    measured = profile(chain, np.ones(N))
    read = json.loads(measured.save(tmp_path / "profile.json").read_text())
    (one,) = read["profiles"]
    names = [frame["name"] for frame in read["shared"]["frames"]]
    stacks = [[names[k] for k in sample] for sample in one["samples"]]
    assert one["type"] == "sampled"
    assert one["unit"] == "seconds"
    assert len(stacks) == len(one["weights"]) == 6
    assert stacks[0][0] == "forward"
    assert stacks[0][-1] == "a = sin(x)"
    assert stacks[-1][0] == "backward"
    assert one["endValue"] == pytest.approx(measured.seconds)
    assert read["$schema"] == "https://www.speedscope.app/file-format-schema.json"


# https://www.speedscope.app/file-format-schema.json, its part for sampled profiles.
SPEEDSCOPE = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": {"type": "string"},
        "exporter": {"type": "string"},
        "activeProfileIndex": {"type": "integer"},
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "file": {"type": "string"},
                            "line": {"type": "integer"},
                            "col": {"type": "integer"},
                        },
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "type", "name", "unit", "startValue", "endValue", "samples", "weights",
                ],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "sampled"},
                    "name": {"type": "string"},
                    "unit": {
                        "enum": [
                            "none", "nanoseconds", "microseconds", "milliseconds", "seconds",
                            "bytes",
                        ]
                    },
                    "startValue": {"type": "number"},
                    "endValue": {"type": "number"},
                    "samples": {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                    },
                    "weights": {"type": "array", "items": {"type": "number", "minimum": 0}},
                },
            },
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ["trace", "nodes"])
def test_the_file_is_what_speedscope_s_schema_asks_for(kind):
    jsonschema = pytest.importorskip("jsonschema", reason="pip install nbclient")
    if kind == "trace":
        measured = profile(chain, np.ones(N), repeats=1)
    else:
        t = wg.Tape()
        wg.Square(wg.ConstantNode(3.0, t), t)
        measured = profile(t, repeats=1)
    read = json.loads(json.dumps(measured.speedscope(), allow_nan=False))
    jsonschema.validate(read, SPEEDSCOPE)
    (one,) = read["profiles"]
    count = len(read["shared"]["frames"])
    assert all(number < count for sample in one["samples"] for number in sample)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read | {"profiles": [{"type": "sampled"}]}, SPEEDSCOPE)


def test_the_data_are_json():
    data = json.loads(json.dumps(profile(chain, np.ones(N)).to_dict()))
    assert data["function"] == "chain"
    assert len(data["entries"]) == 3
    assert data["peak"]["nbytes"] == max(moment["nbytes"] for moment in data["memory"])


def test_sizes_have_units():
    assert [bytes_text(x) for x in (0, 999, 1500, 2_000_000, 3 * 10**9)] == [
        "0 B", "999 B", "1.5 kB", "2 MB", "3 GB",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------ what it takes


def test_a_trace_is_measured_as_it_is_and_stays_as_it_was():
    traced = wg.trace(chain, np.ones(N))
    before = [None if x is None else np.copy(x) for x in traced.adjoints]
    measured = profile(traced)
    assert len(measured.costs) == 3
    for x, y in zip(before, traced.adjoints, strict=True):
        np.testing.assert_array_equal(x, y)


def test_parts_of_tuples_writes_and_several_results_are_measured():
    def f(a, x):
        u, s, _ = np.linalg.svd(a)
        y = np.zeros(3)
        y[1:] = x[1:] * s[0]
        return u @ y, s

    rng = np.random.default_rng(0)
    measured = profile(f, rng.normal(size=(3, 3)), np.ones(3))
    assert measured.seconds > 0
    assert measured.peak.nbytes > 0


def test_numbers_alone_have_times_too():
    measured = profile(lambda x: np.sin(x) * x, 1.0)
    assert all(cost.forward > 0 for cost in measured.costs)
    assert measured.costs[0].nbytes == 8


@pytest.mark.parametrize("repeats", [0, -1, 2.5])
def test_a_number_of_rounds_that_is_none_is_refused(repeats):
    with pytest.raises(ArgumentError, match="positive whole number"):
        profile(chain, np.ones(3), repeats=repeats)


def test_what_is_no_function_is_refused():
    with pytest.raises(ArgumentError, match="float"):
        profile(3.0)
    with pytest.raises(ArgumentError, match="has its arguments"):
        profile(wg.trace(chain, np.ones(3)), np.ones(3))
    with pytest.raises(SourceTypeError):
        profile(chain, 3)
    with pytest.raises(ArgumentError, match="shares has no"):
        profile(chain, np.ones(3)).shares("heat")
    with pytest.raises(ArgumentError, match="by 'colour'"):
        profile(chain, np.ones(3)).table(by="colour")


def test_an_unwritable_path_is_an_error_that_names_it(tmp_path):
    with pytest.raises(OutputPathError, match="no-folder"):
        profile(chain, np.ones(3)).save(tmp_path / "no-folder" / "p.json")


# ------------------------------------------------------------------------------- the article's tape


def taped():
    t = wg.Tape()
    x = wg.ConstantNode(np.ones(N), t)
    a = wg.Sin(x, t)
    wg.Sum(wg.Multiply(a, x, t), t)
    return t


def test_the_articles_tape_is_measured_node_by_node():
    t = taped()
    t.forward()
    t.backward()
    before = [(node.output, node.gradient) for node in t.computations]
    measured = profile(t)
    assert [cost.expression for cost in measured.costs] == ["Sin(x)", "Multiply(a, x)", "Sum(v2)"]
    assert all(cost.forward > 0 and cost.backward > 0 for cost in measured.costs)
    assert "a = wg.Sin(x, t)" in str(measured)
    assert measured.memory[0].nbytes == 2 * 8 * N
    assert measured.peak.nbytes == pytest.approx(6 * 8 * N, rel=0.01)
    for node, (output, gradient) in zip(t.computations, before, strict=True):
        np.testing.assert_array_equal(node.output, output)
        np.testing.assert_array_equal(node.gradient, gradient)


def test_a_tape_that_has_not_run_is_run():
    assert profile(taped()).seconds > 0


def test_an_empty_tape_is_refused():
    with pytest.raises(StaleNodeError, match="without operations"):
        profile(wg.Tape())
