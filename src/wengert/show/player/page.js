// The page: draws one step of a tape at a time and moves between steps.
// All text from user code goes in as text nodes, never as markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";
const ROW = 32; // height of a line of the tape, as in page.css
const SECONDS = 1.2; // a step, when it plays
const NARROW = 760; // pixels of a page, as in page.css
const SMALLEST = 0.8; // of the picture's size, in which it is read
const FEW = 8; // inputs that get a line each; of more, one is chosen

// Outlines of the buttons' signs, in a square of 16: no font has all of them.
const SIGNS = {
  first: "M2 3h2.5v10H2zM14 3v10L5.5 8z",
  previous: "M11.5 3v10L4 8z",
  play: "M4.5 2.5v11L13 8z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  next: "M4.5 3v10L12 8z",
  last: "M11.5 3H14v10h-2.5zM2 3v10L10.5 8z",
};

// ---- small tools --------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function sign(name) {
  return draw("svg", { viewBox: "0 0 16 16", width: 18, height: 18, "aria-hidden": "true" }, draw("path", { d: SIGNS[name], fill: "currentColor" }));
}

function formula(...parts) {
  // A math element of texts and elements: an operator for a text that begins with a space.
  const math = document.createElementNS(MATH, "math");
  for (const part of parts) math.append(typeof part === "string" ? token("mo", part.trim()) : part);
  return math;
}

function token(tag, text) {
  const element = document.createElementNS(MATH, tag);
  element.textContent = text;
  return element;
}

function identifier(name) {
  // Upright: it is a name in the user's code.
  const element = token("mi", name);
  element.setAttribute("mathvariant", "normal");
  return element;
}

function row(...parts) {
  const element = document.createElementNS(MATH, "mrow");
  element.append(...parts);
  return element;
}

function partial(above, below) {
  // ∂above/∂below
  const fraction = document.createElementNS(MATH, "mfrac");
  fraction.append(row(token("mi", "∂"), identifier(above)), row(token("mi", "∂"), identifier(below)));
  return fraction;
}

function numeral(text, isBare = true) {
  const isSigned = text.startsWith("−");
  const number = isSigned ? row(token("mo", "−"), token("mn", text.slice(1))) : token("mn", text);
  const isLoose = isSigned || text.includes("e");
  return isLoose && !isBare ? row(token("mo", "("), number, token("mo", ")")) : number;
}

function filled(markup, fill) {
  // The MathML of a rule with its slots filled; the markup is this program's own.
  const holder = new DOMParser().parseFromString(`<math xmlns="${MATH}">${markup}</math>`, "application/xml");
  const math = document.importNode(holder.documentElement, true);
  for (const slot of math.querySelectorAll("[data-slot]")) {
    slot.replaceWith(fill(Number(slot.dataset?.slot ?? slot.getAttribute("data-slot")), slot.hasAttribute("data-bare")));
  }
  return row(...math.childNodes);
}

function shown(value, digits = 6) {
  // A number as text, with a true minus sign; what is text already as it is.
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "True" : "False";
  const number = numberOf(value);
  if (number === null) return String(value);
  if (Number.isNaN(number)) return "nan";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const size = Math.abs(number);
  const text = size !== 0 && (size < 1e-4 || size >= 10 ** digits)
    ? number.toExponential(Math.min(3, digits - 1)).replace(/\.?0+e/, "e").replace("e+", "e")
    : String(Number(number.toPrecision(digits)));
  return text.replaceAll("-", "−");
}

function short(text, count) {
  return text.length <= count ? text : `${text.slice(0, count - 1)}…`;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// ---- the player ---------------------------------------------------------------------------------

function stepsOf(data) {
  // What happens, in order: the inputs; each operation; the seed; each operation back; the result.
  const steps = [{ phase: "inputs", node: null }];
  const operations = data.names.map((_, k) => k).filter((k) => data.operations[k] >= 0);
  for (const k of operations) steps.push({ phase: "forward", node: k });
  steps.push({ phase: "seed", node: data.target });
  for (const k of [...operations].reverse()) {
    if (data.adjoints[k] !== null) steps.push({ phase: "backward", node: k });
  }
  steps.push({ phase: "done", node: null });
  return steps;
}

function mountPlayer(root, data) {
  return new Player(root, data);
}

class Player {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.users = data.names.map(() => []);
    data.operands.forEach((operands, k) => {
      for (const j of new Set(operands)) this.users[j].push(k);
    });
    this.steps = stepsOf(data);
    this.swept = new Array(data.names.length).fill(Infinity); // at which step each is swept
    this.steps.forEach((step, at) => {
      if (step.phase === "backward") this.swept[step.node] = at;
    });
    this.computed = data.names.map((_, k) => (data.operations[k] < 0 ? 0 : Infinity));
    this.steps.forEach((step, at) => {
      if (step.phase === "forward") this.computed[step.node] = at;
    });
    this.seedAt = this.steps.findIndex((step) => step.phase === "seed");
    this.inputs = data.names.map((_, k) => k).filter((k) => data.kinds[k] === "input");
    this.changed = new Map();
    this.numbers = data; // the tape's own, or those of this page after a nudge
    this.why = whyNotRunnable(data);
    this.at = 0;
    this.pointed = null;
    this.window = [];
    this.timer = null;
    this.build();
    this.go(0);
    // A page that is turned; a widget that is drawn before it has a place.
    this.sizes = new ResizeObserver(() => requestAnimationFrame(() => this.fit()));
    this.sizes.observe(root);
  }

  // ---- building ---------------------------------------------------------------------------------

  build() {
    const { data } = this;
    this.root.replaceChildren();
    const count = this.steps.filter((step) => step.phase === "forward").length;
    const target = data.names[data.target];
    const summary = `${plural(this.inputs.length, "input")}, ${plural(count, "operation")}; the target is ${short(target, 40)}.`;
    this.root.append(
      make("header", {}, make("h1", {}, data.title), make("p", { class: "summary" }, summary)),
      this.buildControls(),
      this.buildPicture(),
      make("div", { class: "columns" }, this.buildStep(), this.buildTape()),
      this.buildNudge(),
      this.buildNotes(),
    );
  }

  buildControls() {
    const button = (name, label, key, action) => {
      const made = make("button", { type: "button", class: name, "aria-label": label, title: `${label} (${key})`, "aria-keyshortcuts": key }, sign(name));
      made.addEventListener("click", action);
      return made;
    };
    this.play = button("play", "Play", "Space", () => this.toggle());
    this.slider = make("input", { type: "range", min: 0, max: this.steps.length - 1, value: 0, class: "steps", "aria-label": "Step" });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.counter = make("output", { class: "counter" });
    return make("nav", { class: "controls", "aria-label": "Steps" },
      make("div", { class: "buttons" },
        button("first", "First step", "Home", () => this.go(0)),
        button("previous", "Previous step", "ArrowLeft", () => this.go(this.at - 1)),
        this.play,
        button("next", "Next step", "ArrowRight", () => this.go(this.at + 1)),
        button("last", "Last step", "End", () => this.go(this.steps.length - 1))),
      this.slider,
      this.counter);
  }

  buildPicture() {
    this.picture = draw("svg", { class: "circuit", role: "group", "aria-label": "The circuit: values above each edge, adjoints below" });
    this.relation = make("p", { class: "relation" });
    this.relationDefault = "Point at a value, or move to it with Tab: what it depends on and what it influences lights up.";
    this.scroller = make("div", { class: "scroller" }, this.picture);
    const legend = make("p", { class: "legend", "aria-hidden": "true" });
    for (const [name, text] of [["value", "value"], ["adjoint", "adjoint"], ["current", "this step"], ["before", "it depends on"], ["after", "it influences"]]) {
      legend.append(make("span", { class: `key ${name}` }, text));
    }
    return make("section", { class: "picture", "aria-label": "Circuit" }, this.scroller, legend, this.relation);
  }

  buildStep() {
    this.panel = make("div", { class: "panel" });
    this.live = make("p", { class: "live", role: "status", "aria-live": "polite", "aria-atomic": "true" });
    return make("section", { class: "step", "aria-label": "This step" }, this.panel, this.live);
  }

  buildTape() {
    this.lines = make("div", { class: "lines", role: "list", "aria-label": "Entries of the tape" });
    this.lines.style.height = `${this.data.names.length * ROW}px`;
    this.list = make("div", { class: "list", tabindex: -1 }, this.lines);
    this.list.addEventListener("scroll", () => this.drawTape());
    const head = make("div", { class: "line head", "aria-hidden": "true" },
      make("span", { class: "what" }, "entry"), make("span", { class: "value" }, "value"), make("span", { class: "adjoint" }, "adjoint"));
    return make("section", { class: "tape", "aria-label": "Tape" }, make("h2", {}, "The tape"), head, this.list);
  }

  buildNotes() {
    const notes = make("footer", {});
    for (const note of this.data.notes) notes.append(make("p", {}, note));
    notes.append(make("p", { class: "keys" }, "Keys: ← and → step, Home and End jump, Space plays and stops."));
    return notes;
  }

  // ---- moving -----------------------------------------------------------------------------------

  listenTo(target) {
    target.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const from = event.target instanceof Element ? event.target : null;
    if (from?.closest("input, select, textarea")) return; // a slider or a field has keys of its own
    if (event.key === " " && from?.closest("button, a, [role='button']")) return;
    const moves = {
      ArrowRight: () => this.go(this.at + 1),
      ArrowLeft: () => this.go(this.at - 1),
      Home: () => this.go(0),
      End: () => this.go(this.steps.length - 1),
      " ": () => this.toggle(),
    };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    moves[event.key]();
  }

  go(at) {
    this.at = Math.max(0, Math.min(this.steps.length - 1, at));
    if (this.at === this.steps.length - 1) this.stop();
    this.refresh();
  }

  goTo(node) {
    // The step of a node in the phase that is shown; of an input the beginning or the end.
    const at = this.at >= this.seedAt ? this.swept[node] : this.computed[node];
    this.go(Number.isFinite(at) ? at : this.at >= this.seedAt ? this.steps.length - 1 : 0);
  }

  toggle() {
    if (this.timer !== null) {
      this.stop();
      return;
    }
    if (this.at === this.steps.length - 1) this.go(0);
    this.timer = setInterval(() => this.go(this.at + 1), SECONDS * 1000);
    this.play.replaceChildren(sign("pause"));
    this.play.setAttribute("aria-label", "Pause");
  }

  fit() {
    if (this.root.clientWidth !== this.width) this.refresh();
  }

  end() {
    // Nothing goes on: for what is taken out of its page.
    this.stop();
    this.sizes.disconnect();
  }

  stop() {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
    this.play.replaceChildren(sign("play"));
    this.play.setAttribute("aria-label", "Play");
  }

  // ---- what is known at a step ------------------------------------------------------------------

  isComputed(k) {
    return this.computed[k] <= this.at;
  }

  paths(k) {
    // The contributions to an adjoint that have arrived, in the order of the sweep.
    const found = [];
    for (const user of [...this.users[k]].reverse()) {
      if (this.swept[user] > this.at) continue;
      this.data.operands[user].forEach((j, position) => {
        if (j === k && this.data.flows[user][position]) {
          found.push({ user, position, part: this.numbers.contributions[user][position] });
        }
      });
    }
    return found;
  }

  pathCount(k) {
    let count = 0;
    for (const user of this.users[k]) {
      if (this.data.adjoints[user] === null) continue;
      this.data.operands[user].forEach((j, position) => {
        if (j === k && this.data.flows[user][position]) count += 1;
      });
    }
    return count;
  }

  adjointNow(k) {
    // The adjoint as far as the sweep has come; null before anything has arrived.
    if (this.at < this.seedAt || this.data.adjoints[k] === null) return null;
    const arrived = this.paths(k);
    if (k === this.data.target || arrived.length === this.pathCount(k)) {
      return k === this.data.target || arrived.length > 0 ? this.numbers.adjoints[k] : null;
    }
    if (arrived.length === 0) return null;
    const numbers = arrived.map((path) => numberOf(path.part));
    return numbers.includes(null) ? `${arrived.length} of ${this.pathCount(k)} paths` : numbers.reduce((sum, x) => sum + x, 0);
  }

  // ---- drawing a step ---------------------------------------------------------------------------

  refresh() {
    const step = this.steps[this.at];
    this.width = this.root.clientWidth;
    this.root.dataset.step = this.at;
    this.root.dataset.phase = step.phase;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `step ${this.at + 1} of ${this.steps.length}, ${this.phaseText(step)}`);
    this.counter.textContent = `${this.at + 1} / ${this.steps.length}`;
    this.root.querySelector(".previous").disabled = this.root.querySelector(".first").disabled = this.at === 0;
    this.root.querySelector(".next").disabled = this.root.querySelector(".last").disabled = this.at === this.steps.length - 1;
    this.drawPicture(step);
    this.drawPanel(step);
    this.revealLine(step.node);
    this.drawTape();
    this.light();
  }

  phaseText(step) {
    const name = step.node === null ? "" : short(this.data.names[step.node], 40);
    return { inputs: "the inputs", forward: `forward, ${name}`, seed: "backward begins", backward: `backward, ${name}`, done: "the gradient" }[step.phase];
  }
}
