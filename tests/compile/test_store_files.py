"""Files of programs that were damaged, or made to harm: none does."""

from __future__ import annotations

import copy
import json
import os
import stat
import struct
import sys
import time
import tracemalloc
import zipfile
from string import ascii_lowercase, ascii_uppercase

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.compile.stored import RAW, SAVED, TEXT, loss_program, members, one_op, packed, text

from wengert.compile.lower import as_kind
from wengert.compile.program import PART, GuardFailed, interpret, run_op, spec_of
from wengert.compile.store import from_bytes, load, save
from wengert.errors import ProgramFormatError, UnsupportedFunctionError
from wengert.primitives.registry import REGISTRY

# -------------------------------------------------------------------------------------------- files


def test_a_file_is_replaced_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "program.wengert"
    program, _, result = loss_program()
    save(program, path, result=result)
    before = path.read_bytes()
    with pytest.raises(UnsupportedFunctionError):
        save(one_op({"axis": len}), path)

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save(one_op({"axis": (0,), "keepdims": False}), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["program.wengert"]
    assert text(load(path).program) == text(program)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ProgramFormatError, match="no regular file"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ProgramFormatError, match="no regular file"):
            load(tmp_path / "pipe")


@pytest.mark.parametrize("data", [b"", b"PK", b"{}", b"\x00" * 1000, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(data):
    with pytest.raises(ProgramFormatError, match="no intact zip"):
        from_bytes(data)


def test_the_archive_is_as_documented():
    (document, first), (arrays, second) = members(SAVED)
    assert (document.filename, arrays.filename) == ("program.json", "arrays.bin")
    assert json.loads(first)["format"] == "wengert program"
    assert len(second) % 64 == 0
    assert from_bytes(packed([("program.json", first), ("arrays.bin", second)]))


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("program.json", TEXT)],
        [("arrays.bin", RAW), ("program.json", TEXT)],
        [("program.json", TEXT), ("arrays.bin", RAW), ("extra", b"")],
        [("program.json", TEXT), ("../arrays.bin", RAW)],
        [("/program.json", TEXT), ("arrays.bin", RAW)],
        [("program.json", TEXT), ("arrays.bin", RAW[:-64])],
        [("program.json", TEXT), ("arrays.bin", RAW + bytes(64))],
    ],
    ids=["none", "one", "order", "extra", "parent", "root", "short", "long"],
)
def test_an_archive_with_other_members_is_refused(parts):
    with pytest.raises(ProgramFormatError):
        from_bytes(packed(parts))


def test_a_member_that_is_there_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = packed([("program.json", TEXT), ("program.json", TEXT)])
    with pytest.raises(ProgramFormatError, match="in this order"):
        from_bytes(data)


def test_a_compressed_member_is_refused_before_it_is_read():
    bomb = packed([("program.json", b" " * 10**8), ("arrays.bin", b"")], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10**6
    tracemalloc.start()
    with pytest.raises(ProgramFormatError, match="is compressed"):
        from_bytes(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**6


def test_a_link_is_refused():
    info = zipfile.ZipInfo("arrays.bin")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ProgramFormatError):
        from_bytes(packed([("program.json", TEXT), (info, "/etc/passwd")]))


def test_declared_sizes_are_not_believed():
    data = bytearray(SAVED)
    entry = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", entry + 4)
    for size in (2**31, 2**32 - 2):
        data[second + 20 : second + 28] = struct.pack("<II", size, size)
        with pytest.raises(ProgramFormatError):
            from_bytes(bytes(data))


def test_no_part_of_a_file_is_a_file():
    for length in [*range(200), *range(200, len(SAVED), 97), len(SAVED) - 1]:
        with pytest.raises(ProgramFormatError):
            from_bytes(SAVED[:length])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SAVED) - 1), st.integers(1, 255)), min_size=1, max_size=4)
)
def test_changed_bytes_never_do_harm(changes):
    data = bytearray(SAVED)
    for position, mask in changes:
        data[position] ^= mask
    check_hostile(bytes(data))


# ------------------------------------------------------------------------------- hostile documents


def check_hostile(data):
    """Refused; or a program in which every operation gives what it declares."""
    try:
        stored = from_bytes(data)
    except ProgramFormatError:
        return
    for one in stored:
        check_specs(one.program)


OPEN = {"nonzero", "unique_positions", "histogram_edges", "bincount", "count", "eig"}


def check_specs(program):
    if any(spec.size > 10**4 for spec in (*program.inputs, *[op.spec for op in program.ops])):
        return

    def is_open(op):
        """True if what it gives depends on numbers: checked when it runs."""
        of = program.op(op.operands[0]) if op.primitive is PART else op
        return of is not None and of.primitive.name in OPEN

    def call(op, operands):
        out = as_kind(run_op(op, operands), op.spec)
        if not is_open(op):
            found = spec_of(out)
            assert (found.shape, found.dtype) == (op.spec.shape, op.spec.dtype), op
        return out

    inputs = [np.ones(s.shape, s.dtype) if s.kind == "array" else s.dtype.type(1).item()
              if s.kind == "python" else s.dtype.type(1) for s in program.inputs]  # fmt: skip
    try:
        with np.errstate(all="ignore"):
            interpret(program, inputs, call)
    except (GuardFailed, ValueError, IndexError, TypeError, ArithmeticError, np.linalg.LinAlgError):
        return  # what NumPy says to these numbers


def repacked(document):
    text = json.dumps(document) if not isinstance(document, bytes) else document
    return packed([("program.json", text), ("arrays.bin", RAW)])


def changed(change):
    document = json.loads(TEXT)
    change(document)
    return repacked(document)


PROGRAM = json.loads(TEXT)["programs"][0]


def operation(document, name):
    return next(o for o in document["programs"][0]["operations"] if o["primitive"] == name)


def set_at(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for step in path:
            document = operation({"programs": [document]}, step[1:]) if str(step).startswith("@") \
                else document[step]  # fmt: skip
        document[last] = value

    return change


P = ("programs", 0)
HOSTILE = {
    "no format": set_at("format", "other"),
    "boolean version": set_at("version", True),
    "newer version": set_at("version", 2),
    "no programs": set_at("programs", []),
    "programs no list": set_at("programs", {}),
    "extra field": set_at("extra", 1),
    "unknown primitive": set_at(*P, "operations", 0, "primitive", "os.system"),
    "primitive no text": set_at(*P, "operations", 0, "primitive", ["matmul"]),
    "derived function": set_at(*P, "operations", 0, "primitive", "vstack"),
    "forward operand": set_at(*P, "operations", 0, "operands", [0, len(PROGRAM["operations"])]),
    "operand of itself": set_at(*P, "operations", 0, "operands", [0, len(PROGRAM["inputs"])]),
    "negative operand": set_at(*P, "operations", 0, "operands", [0, -1]),
    "operand beyond": set_at(*P, "operations", 0, "operands", [0, 10**18]),
    "boolean operand": set_at(*P, "operations", 0, "operands", [0, True]),
    "float operand": set_at(*P, "operations", 0, "operands", [0, 1.0]),
    "one operand": set_at(*P, "operations", 0, "operands", [0]),
    "three operands": set_at(*P, "operations", 0, "operands", [0, 1, 1]),
    "no operands": set_at(*P, "operations", 0, "operands", None),
    "constant of text": set_at(*P, "operations", 0, "operands", [0, {"constant": "x"}]),
    "constant None": set_at(*P, "operations", 0, "operands", [0, {"constant": None}]),
    "constant of lists": set_at(*P, "operations", 0, "operands", [0, {"constant": [1.0]}]),
    "spec beyond": set_at(*P, "operations", 0, "spec", 99),
    "spec negative": set_at(*P, "operations", 0, "spec", -1),
    "wrong spec": set_at(*P, "operations", 0, "spec", 0),
    "unknown parameter": set_at(*P, "operations", 0, "parameters", {"out": 1}),
    "callable parameter": set_at(*P, "operations", 0, "parameters", {"axes": {"callable": "os"}}),
    "parameters no object": set_at(*P, "operations", 0, "parameters", []),
    "place beyond": set_at(*P, "operations", 0, "place", 10**6),
    "output beyond": set_at(*P, "outputs", [10**6]),
    "output negative": set_at(*P, "outputs", [-1]),
    "guard on an array": set_at(*P, "guards", [[0, True, None]]),
    "guard beyond": set_at(*P, "guards", [[999, True, None]]),
    "guard expects text": set_at(*P, "guards", [[5, "yes", None]]),
    "guard too short": set_at(*P, "guards", [[5]]),
    "names too few": set_at(*P, "names", ["x"]),
    "names no text": set_at(*P, "names", [1, 2, 3]),
    "input beyond": set_at(*P, "inputs", [77]),
    "fewer inputs": set_at(*P, "inputs", [0]),
    "result of too many": set_at(*P, "result", {"tree": {"tuple": [0, 99]}}),
    "result of another kind": set_at(*P, "result", {"tree": {"set": [0]}}),
    "result key twice": set_at(*P, "result", {"tree": {"dict": [["a", 0], ["a", 1]]}}),
    "result key of a list": set_at(*P, "result", {"tree": {"dict": [[[], 0]]}}),
    "watched no truth": set_at(*P, "watched", 1),
    "record of no name": set_at(*P, "result", {"tree": {"record": [1, [["a", 0]]]}}),
    "record of a keyword": set_at(*P, "result", {"tree": {"record": ["class", [["a", 0]]]}}),
    "record with code": set_at(*P, "result", {"tree": {"record": ["A", [["a=print()", 0]]]}}),
    "record private": set_at(*P, "result", {"tree": {"record": ["A", [["__class__", 0]]]}}),
    "record field twice": set_at(*P, "result", {"tree": {"record": ["A", [["a", 0], ["a", 1]]]}}),
    "record no fields": set_at(*P, "result", {"tree": {"record": ["A", None]}}),
    "record of three": set_at(*P, "result", {"tree": {"record": ["A", [["a", 0]], 0]}}),
    "record too wide": set_at(
        *P, "result", {"tree": {"record": ["A", [[f"a{k}", 0] for k in range(1001)]]}}
    ),
    "records too many": set_at(
        *P, "result", {"tree": [{"record": [f"A{k}", [["a", 0]]]} for k in range(257)]}
    ),
    "shape negative": set_at("specs", 0, 0, [-3]),
    "shape of floats": set_at("specs", 0, 0, [3.0]),
    "shape of booleans": set_at("specs", 0, 0, [True]),
    "shape too large": set_at("specs", 0, 0, [2**40, 2**40]),
    "shape of many axes": set_at("specs", 0, 0, [1] * 65),
    "shape no list": set_at("specs", 0, 0, "33"),
    "dtype object": set_at("specs", 0, 1, "object"),
    "dtype of text": set_at("specs", 0, 1, "<U5"),
    "dtype with fields": set_at("specs", 0, 1, [["a", "f8"]]),
    "dtype swapped": set_at("specs", 0, 1, ">f8"),
    "kind unknown": set_at("specs", 0, 2, "pointer"),
    "kind tuple": set_at("specs", 0, 2, "tuple"),
    "scalar with axes": set_at("specs", 0, 2, "scalar"),
    "array longer": set_at("arrays", 0, "shape", [10**6]),
    "array beyond memory": set_at("arrays", 0, "shape", [2**62]),
    "array of other dtype": set_at("arrays", 0, "dtype", "complex128"),
    "array elsewhere": set_at("arrays", 0, "offset", 8),
    "array before": set_at("arrays", 0, "offset", -64),
    "array order": set_at("arrays", 0, "order", "K"),
    "arrays overlap": lambda d: d["arrays"].append(copy.deepcopy(d["arrays"][0])),
    "fewer arrays": lambda d: d["arrays"].clear(),
    "place of numbers": set_at("places", 0, [1, 2, 3, 4]),
    "place without line": set_at("places", 0, ["a.py", -1, "", None]),
    "surrogate": set_at("places", 0, ["\ud800.py", 1, "", None]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_that_was_changed_is_refused(name):
    with pytest.raises(ProgramFormatError):
        from_bytes(changed(HOSTILE[name]))


@pytest.mark.parametrize(
    "text",
    [
        b"", b"null", b"[]", b"{", b"\xff\xfe", "é".encode(), b"[" * 10**5, b'{"a":' * 10**5,
        b'{"format": "wengert program", "format": "wengert program"}',
        b'{"format": "wengert program", "version": NaN}',
        b'{"format": "wengert program", "version": ' + b"9" * 10**5 + b"}",
        b'{"format": "wengert program", "version": 1e999}',
        b"\xef\xbb\xbf" + TEXT, TEXT + b"x",
    ],
    ids=range(14),
)  # fmt: skip
def test_a_document_that_is_no_json_of_ours_is_refused(text):
    with pytest.raises(ProgramFormatError):
        from_bytes(repacked(text))


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [65, 200, 900])
def test_deep_values_are_refused(depth):
    change = set_at(*P, "operations", 0, "parameters", {"axes": nested(depth)})
    with pytest.raises(ProgramFormatError):
        from_bytes(changed(change))
    with pytest.raises(ProgramFormatError):
        from_bytes(changed(set_at(*P, "result", {"tree": nested(depth)})))


def single(primitive, inputs, spec, parameters, operands=None):
    """A file with one operation, whatever it claims."""
    specs = [[list(shape), dtype, "array"] for shape, dtype in [*inputs, spec]]
    document = {
        "format": "wengert program", "version": 1, "specs": specs, "places": [], "arrays": [],
        "programs": [{
            "inputs": list(range(len(inputs))), "names": [], "guards": [], "arguments": None,
            "result": None, "outputs": [len(inputs)], "watched": False,
            "operations": [{
                "primitive": primitive, "operands": operands or list(range(len(inputs))),
                "spec": len(inputs), "parameters": parameters,
            }],
        }],
    }  # fmt: skip
    return packed([("program.json", json.dumps(document)), ("arrays.bin", b"")])


def test_single_operations_load_where_they_are_right():
    assert from_bytes(single("exp", [([3], "float64")], ([3], "float64"), {}))
    huge = [2**20, 2**20]
    assert from_bytes(single("exp", [(huge, "float64")], (huge, "float64"), {}))
    square = [10**5, 10**5]
    inverse = single("inv", [(square, "float64")], (square, "float64"), {})
    assert from_bytes(inverse)


BOMBS = {
    "full": single("filled_like", [([1], "float64")], ([3], "float64"),
                   {"shape": {"tuple": [2**40]}, "dtype": {"dtype": "float64"}, "value": 0}),
    "fft": single("fft", [([4], "float64")], ([4], "complex128"),
                  {"n": 2**40, "axis": 0, "norm": None}),
    "fft of many axes": single("fft", [([8] * 20, "float64")], ([8] * 20, "complex64"),
                               {"n": None, "axis": 0, "norm": None}),
    "outer product": single("contract", [([2] * 26, "float64"), ([2] * 26, "float64")],
                            ([2], "float64"),
                            {"subscripts": f"{ascii_lowercase},{ascii_uppercase}->aA"}),
    "histogram": single("histogram_edges", [([4], "float64")], ([5, 5], "float64"),
                        {"bins": 2**50, "range": None}),
    "bincount": single("bincount", [([4], "int64"), ([4], "float64")], ([4, 4], "float64"),
                       {"minlength": 2**50}),
    "convolution": single("convolve_full", [([2**30], "float64"), ([2**30], "float64")],
                          ([3], "float64"), {}),
    "reduceat": single("add.reduceat", [([2**45], "float64")], ([3], "float64"),
                       {"indices": [0], "axis": 0}),
    "stack": single("stack", [([2**50], "float64")], ([3], "float64"), {"axis": 0}),
    "broadcast": single("broadcast_to", [([1], "float64")], ([3], "float64"),
                        {"shape": {"tuple": [2**40, 2**15]}}),
    "mean": single("mean", [([2**40], "float64")], ([1], "float64"),
                   {"axis": {"tuple": [0]}, "keepdims": False}),
    "read": single("read", [([2**30], "float64")], ([3], "float64"),
                   {"path": {"tuple": [{"tuple": ["getitem", [0] * 1000]},
                                       {"tuple": ["broadcast", {"tuple": [2**40, 1000]}]},
                                       {"tuple": ["getitem", [[0] * 100] * 100]}]}}),
    "gather": single("gather", [([2**30, 2**30], "float64"), ([2**20, 2**20], "int64")],
                     ([3], "float64"), {"template": {"tuple": [{"hole": True}]}}),
    "softmax": single("softmax", [([3] * 40, "float64")], ([3], "float64"),
                      {"axis": {"tuple": [0]}}),
    "many axes": single("eigvalsh_of", [([4] * 60, "float64")], ([4] * 59, "float64"),
                        {"lower": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_takes_little_memory_and_time_to_refuse(name):
    from_bytes(SAVED)  # what loading needs is imported
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ProgramFormatError):
        from_bytes(BOMBS[name])
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**28
    assert seconds < 10


@pytest.mark.parametrize(
    ("primitive", "inputs", "spec", "parameters"),
    [
        ("read", [([4], "float64")], ([], "float64"),
         {"path": {"tuple": [{"tuple": ["getitem", 4]}]}}),
        ("read", [([4], "float64")], ([1], "float64"),
         {"path": {"tuple": [{"tuple": ["getitem", [-5]]}]}}),
        ("read", [([4], "float64")], ([5], "float64"),
         {"path": {"tuple": [{"tuple": ["getitem", {"slice": [0, 5, None]}]}]}}),
        ("read", [([4], "float64")], ([4], "float64"), {"path": "getitem"}),
        ("read", [([4], "float64")], ([4], "float64"),
         {"path": {"tuple": [{"tuple": ["__class__", 1]}]}}),
        ("write", [([4], "float64"), ([3], "float64")], ([4], "float64"),
         {"path": {"tuple": []}, "add": False}),
        ("write", [([4], "int64"), ([4], "float64")], ([4], "int64"),
         {"path": {"tuple": []}, "add": True}),
        ("write", [([4], "float64"), ([4], "float64")], ([4], "float64"),
         {"path": {"tuple": []}, "add": 1}),
        ("join", [([4], "float64"), ([4], "float64")], ([9], "float64"),
         {"axis": 0, "starts": {"tuple": [0, 5]}}),
        ("reshape", [([4], "float64")], ([5], "float64"), {"shape": {"tuple": [5]}}),
        ("reshape", [([4], "float64")], ([4], "float64"), {"shape": {"tuple": [-1]}, "order": 7}),
        ("transpose", [([4, 5], "float64")], ([4, 5], "float64"), {"axes": {"tuple": [1, 0]}}),
        ("exp", [([4], "float32")], ([4], "float64"), {}),
        ("exp", [([4], "float64")], ([4], "float64"), {"where": False}),
        ("matmul", [([4, 5], "float64"), ([4, 5], "float64")], ([4, 5], "float64"), {}),
        ("sum", [([4], "float64")], ([4], "float64"), {"axis": {"tuple": [0]}, "keepdims": False}),
        ("svd_of", [([4, 4], "float64")], ([4], "float64"), {"full_matrices": True}),
    ],
)  # fmt: skip
def test_a_spec_that_is_not_what_numpy_gives_is_refused(primitive, inputs, spec, parameters):
    with pytest.raises(ProgramFormatError):
        from_bytes(single(primitive, inputs, spec, parameters))


def paths_into(document, prefix=()):
    """Every place in a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from paths_into(value, (*prefix, key))


PLACES = list(paths_into(json.loads(TEXT)))
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from([2**31, 2**63, -(2**63), 2**70]),
    st.floats(), st.text(max_size=3), st.sampled_from(sorted(REGISTRY.primitives)),
    st.sampled_from(["float32", "int64", "bool", "complex128", "array", "tuple", "python"]),
    st.lists(st.integers(-1, 5), max_size=3),
    st.sampled_from([{"tuple": [0]}, {"array": 0}, {"constant": 1.0}, {"float": "nan"},
                     {"slice": [0, 9, 1]}, {"dtype": "float32"}, {"constant": {"array": 0}}]),
)  # fmt: skip


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3), st.booleans())
def test_changed_fields_never_do_harm(changes, is_moved):
    document = json.loads(TEXT)
    for path, value in changes:
        target = document
        try:
            for step in path[:-1]:
                target = target[step]
            if is_moved and isinstance(target, list):
                target.insert(path[-1], copy.deepcopy(value))
            else:
                target[path[-1]] = copy.deepcopy(value)
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change took this place away
    try:
        data = repacked(document)
    except UnicodeEncodeError:
        return
    check_hostile(data)


# ---------------------------------------------------------------------------- nothing else happens


class Watched:
    """Notes what Python does, of what a file must never bring about."""

    def __init__(self):
        self.events, self.is_on = [], False
        sys.addaudithook(self)

    def __call__(self, event, args):
        if self.is_on and event in EVENTS:
            self.events.append((event, args))


EVENTS = frozenset(
    ["import", "exec", "compile", "open", "os.system", "subprocess.Popen", "socket.connect",
     "pickle.find_class", "ctypes.dlopen", "marshal.loads", "builtins.input", "os.remove"]
)  # fmt: skip
WATCHED = Watched()


def test_loading_imports_opens_and_runs_nothing():
    def change(document):
        set_at("places", 0, ["/etc/passwd", 1, "import os", "__import__('os')"])(document)
        set_at(*P, "result", {"tree": {"record": ["Never", [["a", 0], ["b", 1]]]}})(document)

    data = changed(change)
    from_bytes(data)
    WATCHED.events.clear()
    WATCHED.is_on = True
    try:
        (stored,) = from_bytes(data)
        lines = [str(op.place.line) for op in stored.program.ops]
    finally:
        WATCHED.is_on = False
    assert WATCHED.events == []
    assert any("import os" in line for line in lines)
