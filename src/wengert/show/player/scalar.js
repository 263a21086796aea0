// Arithmetic of the page: runs a tape of numbers again, forward and backward, after a nudge.
// Formulas come as trees (see formula.py): a number, or a list of a name and its arguments.
"use strict";

// One entry a function, of operands that are numbers; NumPy's and SciPy's names.
const FUNCTIONS = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  negative: (a) => -a,
  positive: (a) => a,
  reciprocal: (a) => 1 / a,
  square: (a) => a * a,
  power: (a, b) => Math.pow(a, b),
  float_power: (a, b) => Math.pow(a, b),
  absolute: Math.abs,
  abs: Math.abs,
  fabs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  trunc: Math.trunc,
  floor_divide: (a, b) => Math.floor(a / b),
  remainder: (a, b) => (b === 0 ? NaN : a - b * Math.floor(a / b)),
  fmod: (a, b) => a % b,
  copysign: (a, b) => (b < 0 || Object.is(b, -0) ? -Math.abs(a) : Math.abs(a)),
  hypot: (a, b) => Math.hypot(a, b),
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  fmax: (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b)),
  fmin: (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b)),
  heaviside: (a, b) => (Number.isNaN(a) ? NaN : a === 0 ? b : a > 0 ? 1 : 0),
  where: (condition, a, b) => (condition ? a : b),
  exp: Math.exp,
  exp2: (a) => Math.pow(2, a),
  exp10: (a) => Math.pow(10, a),
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  cbrt: Math.cbrt,
  logaddexp: (a, b) => addedLogs(a, b),
  logaddexp2: (a, b) => addedLogs(a * Math.LN2, b * Math.LN2) / Math.LN2,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  arcsinh: Math.asinh,
  arccosh: Math.acosh,
  arctanh: Math.atanh,
  arctan2: (a, b) => Math.atan2(a, b),
  degrees: (a) => (a * 180) / Math.PI,
  rad2deg: (a) => (a * 180) / Math.PI,
  radians: (a) => (a * Math.PI) / 180,
  deg2rad: (a) => (a * Math.PI) / 180,
  sinc: (a) => (a === 0 ? 1 : Math.sin(Math.PI * a) / (Math.PI * a)),
  expit: (a) => 1 / (1 + Math.exp(-a)),
  logit: (a) => Math.log(a / (1 - a)),
  log_expit: (a) => Math.min(a, 0) - Math.log1p(Math.exp(-Math.abs(a))),
  xlogy: (a, b) => (a === 0 && !Number.isNaN(b) ? 0 : a * Math.log(b)),
  xlog1py: (a, b) => (a === 0 && !Number.isNaN(b) ? 0 : a * Math.log1p(b)),
  entr: (a) => (a > 0 ? -a * Math.log(a) : a === 0 ? 0 : -Infinity),
  rel_entr: (a, b) => (a > 0 && b > 0 ? a * Math.log(a / b) : a === 0 && b >= 0 ? 0 : Infinity),
  erf: (a) => errorFunction(a),
  erfc: (a) => complementaryError(a),
  ndtr: (a) => complementaryError(-a / Math.SQRT2) / 2,
  gamma: (a) => gammaFunction(a),
  gammaln: (a) => logGamma(a),
  psi: (a) => digamma(a),
  // Of one number these change nothing.
  sum: (a) => a,
  mean: (a) => a,
  astype: (a) => a,
  // In formulas only.
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "**": (a, b) => Math.pow(a, b),
  ">": (a, b) => Number(a > b),
  "<": (a, b) => Number(a < b),
  "==": (a, b) => Number(a === b),
  neg: (a) => -a,
  pi: () => Math.PI,
};

// Partial derivatives that no formula states, or not at a kink: of the operands, the result, and
// the weight of a tie between two traced operands. At kinks they are the primitives' own.
const PARTIALS = {
  sum: [() => 1],
  mean: [() => 1],
  astype: [() => 1],
  where: [null, (c) => Number(Boolean(c)), (c) => Number(!c)],
  power: [powerByBase, powerByExponent],
  float_power: [powerByBase, powerByExponent],
  logaddexp: [(a, b, out, tie) => share(a, b, out, tie), (a, b, out, tie) => share(b, a, out, tie)],
  logaddexp2: [
    (a, b, out, tie) => share(a * Math.LN2, b * Math.LN2, out * Math.LN2, tie),
    (a, b, out, tie) => share(b * Math.LN2, a * Math.LN2, out * Math.LN2, tie),
  ],
  arctan2: [(a, b) => (a === 0 && b === 0 ? 0 : b / (a * a + b * b)), (a, b) => (a === 0 && b === 0 ? 0 : -a / (a * a + b * b))],
  sinc: [(a, out) => (a === 0 ? 0 : (Math.cos(Math.PI * a) - out) / a)],
  xlogy: [(a, b) => Math.log(b), (a, b) => (a === 0 ? 0 : a / b)],
  xlog1py: [(a, b) => Math.log1p(b), (a, b) => (a === 0 ? 0 : a / (1 + b))],
  hypot: [(a, b, out) => (out === 0 ? 0 : a / out), (a, b, out) => (out === 0 ? 0 : b / out)],
  maximum: [(a, b, out, tie) => chosen(a > b, a === b, tie), (a, b, out, tie) => chosen(b > a, a === b, tie)],
  minimum: [(a, b, out, tie) => chosen(a < b, a === b, tie), (a, b, out, tie) => chosen(b < a, a === b, tie)],
  fmax: [
    (a, b, out, tie) => chosen(a > b || Number.isNaN(b), a === b, tie),
    (a, b, out, tie) => chosen(b > a || Number.isNaN(a), a === b, tie),
  ],
  fmin: [
    (a, b, out, tie) => chosen(a < b || Number.isNaN(b), a === b, tie),
    (a, b, out, tie) => chosen(b < a || Number.isNaN(a), a === b, tie),
  ],
};

// A zero that comes from what one of these did not take annihilates even an infinite partial.
const SELECTING = new Set(["maximum", "minimum", "fmax", "fmin", "heaviside", "where"]);

function chosen(isTaken, isTie, tie) {
  return isTaken ? 1 : isTie ? tie : 0;
}

function share(own, other, out, tie) {
  // Of two logarithms of zero each has half, or what is traced has all.
  if (own === -Infinity && other === -Infinity) return tie === 0 ? 1 : tie;
  return Math.exp(own - out);
}

function powerByBase(base, exponent) {
  return exponent === 0 ? 0 : exponent * Math.pow(base, exponent - 1);
}

function powerByExponent(base, exponent, out) {
  return base === 0 ? 0 : out * Math.log(base);
}

function addedLogs(a, b) {
  if (a === b) return a + Math.LN2;
  return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
}

// ---- special functions --------------------------------------------------------------------------

function errorFunction(x) {
  if (Math.abs(x) > 2.5) return x > 0 ? 1 - complementaryError(x) : complementaryError(-x) - 1;
  // Abramowitz and Stegun 7.1.6: all terms of one sign, so nothing cancels.
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

function complementaryError(x) {
  if (!(x > 2.5)) return 1 - errorFunction(x);
  // The continued fraction 7.1.14, from its far end.
  let fraction = 0;
  for (let n = 60; n >= 1; n -= 1) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

function logGamma(x) {
  if (x <= 0 && Number.isInteger(x)) return Infinity;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  // Stirling's series at x + n >= 10, brought back by the recurrence.
  let product = 1;
  for (; x < 10; x += 1) product *= x;
  const z = 1 / (x * x);
  const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - (z * 691) / 360360))))) / x;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - Math.log(product);
}

function gammaFunction(x) {
  if (x === 0) return 1 / x;
  if (x < 0 && Number.isInteger(x)) return NaN;
  const sign = x > 0 || Math.floor(x) % 2 === 0 ? 1 : -1;
  return sign * Math.exp(logGamma(x));
}

function digamma(x) {
  if (x === 0) return -1 / x;
  if (x < 0 && Number.isInteger(x)) return NaN;
  if (x < 0.5) return digamma(1 - x) - Math.PI / Math.tan(Math.PI * x);
  let total = 0;
  for (; x < 10; x += 1) total -= 1 / x;
  const z = 1 / (x * x);
  const series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - (z * 691) / 32760)))));
  return total + Math.log(x) - 0.5 / x - series;
}

// ---- trees --------------------------------------------------------------------------------------

function evaluateTree(tree, slots) {
  if (!Array.isArray(tree)) return tree;
  const [head, ...rest] = tree;
  if (head === "slot") return slots[rest[0]];
  return FUNCTIONS[head](...rest.map((part) => evaluateTree(part, slots)));
}

function unknownIn(tree) {
  // The first function of a tree that this page cannot compute; null if there is none.
  if (!Array.isArray(tree) || tree[0] === "slot") return null;
  if (!Object.hasOwn(FUNCTIONS, tree[0])) return tree[0];
  for (const part of tree.slice(1)) {
    const unknown = unknownIn(part);
    if (unknown !== null) return unknown;
  }
  return null;
}

// ---- the tape -----------------------------------------------------------------------------------

function numberOf(x) {
  // A number of the page's data; JSON has no word for infinity and NaN.
  if (typeof x === "number" || typeof x === "boolean") return Number(x);
  return typeof x === "string" && /^(NaN|-?Infinity)$/.test(x) ? Number(x) : null;
}

function whyNotRunnable(data) {
  // Why the page cannot run a tape again, in words; null if it can.
  const needed = [...reached(data.target, (k) => data.operands[k]), data.target].sort((a, b) => a - b);
  for (const k of needed) {
    if (numberOf(data.values[k]) === null) {
      return `${data.names[k]} is no single real number, and this page computes with nothing else`;
    }
    const operation = data.table[data.operations[k]];
    if (operation === undefined) continue;
    if (!Object.hasOwn(FUNCTIONS, operation.run)) {
      return `this page does not know how to compute ${operation.name}, which gave ${data.names[k]}`;
    }
    if (data.settings[k]) return `${operation.name}, which gave ${data.names[k]}, has settings that this page does not know`;
    for (const [position, flows] of data.flows[k].entries()) {
      if (!flows || PARTIALS[operation.run]?.[position]) continue;
      const tree = operation.rules[position]?.tree ?? null;
      const unknown = tree === null ? operation.name : unknownIn(tree);
      if (unknown !== null) {
        return `this page does not know how to compute ${unknown}, which the derivative of ${operation.name} needs`;
      }
    }
  }
  const again = runTape(data, new Map());
  for (const k of needed) {
    if (!agree(again.values[k], numberOf(data.values[k]))) {
      return `computed by this page, ${data.names[k]} is ${again.values[k]} and not the tape's ${data.values[k]}`;
    }
  }
  return null;
}

function reached(start, following) {
  // All that is found from a start, without it.
  const found = new Set();
  const waiting = [...following(start)];
  while (waiting.length > 0) {
    const k = waiting.pop();
    if (found.has(k)) continue;
    found.add(k);
    waiting.push(...following(k));
  }
  return found;
}

function agree(found, expected) {
  if (expected === null || Object.is(found, expected)) return true;
  return Math.abs(found - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
}

function runForward(data, changed) {
  const values = new Array(data.names.length);
  for (let k = 0; k < values.length; k += 1) {
    const operation = data.table[data.operations[k]];
    if (operation === undefined || !Object.hasOwn(FUNCTIONS, operation.run)) {
      values[k] = changed.has(k) ? changed.get(k) : numberOf(data.values[k]);
    } else {
      values[k] = FUNCTIONS[operation.run](...data.operands[k].map((j) => values[j]));
    }
  }
  return values;
}

function partialOf(data, values, k, position) {
  const operands = data.operands[k];
  const operation = data.table[data.operations[k]];
  const slots = [...operands.map((j) => values[j]), values[k]];
  const stated = PARTIALS[operation.run]?.[position];
  if (!stated) return evaluateTree(operation.rules[position].tree, slots);
  return stated(...slots, data.flows[k].every(Boolean) ? 0.5 : 0);
}

function runTape(data, changed) {
  // Values, adjoints, local derivatives and contributions with other inputs, given by their index.
  const values = runForward(data, changed);
  const count = values.length;
  const adjoints = new Array(count).fill(null);
  const isLive = new Array(count).fill(false); // false: zero, whatever it is multiplied by
  const locals = data.operands.map((operands) => operands.map(() => null));
  const contributions = data.operands.map((operands) => operands.map(() => null));
  adjoints[data.target] = numberOf(data.seed);
  isLive[data.target] = true;
  for (let k = data.target; k >= 0; k -= 1) {
    if (adjoints[k] === null) continue;
    const isSelecting = SELECTING.has(data.table[data.operations[k]]?.run);
    for (const [position, j] of data.operands[k].entries()) {
      if (!data.flows[k][position]) continue;
      const local = partialOf(data, values, k, position);
      const isZero = !isLive[k] || (isSelecting && local === 0);
      const part = isZero ? 0 : adjoints[k] * local;
      locals[k][position] = local;
      contributions[k][position] = part;
      adjoints[j] = adjoints[j] === null ? part : adjoints[j] + part;
      isLive[j] ||= !isZero;
    }
  }
  return { values, adjoints, locals, contributions };
}

function nudged(data, changed, index, by) {
  // What a nudge of one input does to the target: the move, and what its derivative promises.
  const before = runTape(data, changed);
  const after = runForward(data, new Map(changed).set(index, before.values[index] + by));
  return {
    moved: after[data.target] - before.values[data.target],
    promised: (before.adjoints[index] ?? 0) * by,
  };
}
