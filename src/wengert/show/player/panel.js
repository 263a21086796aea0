// What happens at the step that is shown, in formulas and in numbers.
"use strict";

Object.assign(Player.prototype, {
  drawPanel(step) {
    const drawn = {
      inputs: () => this.inputsPanel(),
      forward: () => this.forwardPanel(step.node),
      seed: () => this.seedPanel(),
      backward: () => this.backwardPanel(step.node),
      done: () => this.donePanel(),
    }[step.phase]();
    this.panel.replaceChildren(...drawn.parts);
    this.live.textContent = drawn.words;
  },

  heading(phase, text) {
    return make("h2", {}, make("span", { class: `phase ${phase.toLowerCase()}` }, phase), ` ${text}`);
  },

  sourceLine(k) {
    const place = this.data.places[this.data.lines[k]];
    const group = this.data.groups[this.data.group[k]];
    const parts = [...(place ? [place] : []), ...(group ? [`in ${group}`] : [])];
    return parts.map((text) => make("p", { class: "source" }, text));
  },

  // ---- forward ----------------------------------------------------------------------------------

  inputsPanel() {
    const list = make("ul", { class: "results" });
    for (const k of this.inputs.slice(0, FEW)) {
      list.append(make("li", {}, make("b", {}, this.data.names[k]), " = ", make("span", { class: "value" }, shown(this.numbers.values[k], 10))));
    }
    if (this.inputs.length > FEW) list.append(make("li", {}, `and ${this.inputs.length - FEW} more`));
    const text = "The computation starts from these. Each step forward computes one value from values before it.";
    return { parts: [this.heading("Forward", "The inputs"), make("p", {}, text), list], words: `The inputs: ${plural(this.inputs.length, "value")}.` };
  },

  forwardPanel(k) {
    const { data } = this;
    const operation = data.table[data.operations[k]];
    const value = shown(this.numbers.values[k], 10);
    const parts = [this.heading("Forward", short(data.names[k], 60)), this.equation(k, operation, value)];
    const slopes = this.localLines(k);
    if (slopes.length > 0) parts.push(make("h3", {}, "If an operand moved a little"), ...slopes);
    parts.push(...this.sourceLine(k));
    return { parts, words: `${data.names[k]} = ${data.expressions[k]} = ${shown(this.numbers.values[k])}` };
  },

  equation(k, operation, value) {
    // h = h1 · h2 = 6 · 2 = 12
    const name = identifier(short(this.data.names[k], 40));
    if (!operation.math || this.hasSettings(k)) {
      const text = make("code", {}, `${this.data.names[k]} = ${this.data.expressions[k]}`);
      return make("p", { class: "equation" }, text, " = ", make("span", { class: "value" }, value));
    }
    const parts = [formula(name, " =", filled(operation.math, this.names(k)))];
    const numbers = this.slotNumbers(k);
    if (numbers !== null) parts.push(formula(" =", filled(operation.math, numbers)));
    parts.push(formula(" =", this.coloured(value, "value")));
    return make("p", { class: "equation" }, ...parts);
  },

  hasSettings(k) {
    return Boolean(this.data.settings[k]);
  },

  coloured(text, name) {
    const number = /^[\d−∞n]/.test(text) && !text.includes("[") ? numeral(text) : token("mtext", text);
    const holder = row(number);
    holder.setAttribute("class", name);
    return holder;
  },

  names(k) {
    // Fills slots with the names of the operands.
    const slots = [...this.data.operands[k], k];
    return (slot) => {
      const j = slots[slot];
      if (j === undefined) return token("mtext", "?");
      return this.isSmall(j) ? numeral(shown(this.numbers.values[j]), false) : identifier(short(this.data.names[j], 24));
    };
  },

  slotNumbers(k) {
    // Fills slots with numbers; null where an operand is no number.
    const slots = [...this.data.operands[k], k];
    if (slots.some((j) => numberOf(this.numbers.values[j]) === null)) return null;
    return (slot, isBare) => numeral(shown(this.numbers.values[slots[slot]], 6), isBare);
  },

  localLines(k) {
    const lines = [];
    this.data.operands[k].forEach((j, position) => {
      if (this.data.flows[k][position]) lines.push(make("p", { class: "local" }, ...this.localFormula(k, j, position)));
    });
    return lines;
  },

  localFormula(k, j, position) {
    // ∂o/∂h = 2 · h = 2 · 12 = 24; in words for what is no formula.
    const { data } = this;
    const rule = data.table[data.operations[k]].rules[position];
    const left = formula(partial(short(data.names[k], 24), short(data.names[j], 24)));
    const local = this.numbers.locals[k][position];
    const value = shown(local, 10);
    if (!rule || (!rule.math && !rule.words)) {
      if (value) left.append(token("mo", "="), this.coloured(value, "local"));
      return value ? [left] : [left, make("span", { class: "words" }, " as its own backward computes it")];
    }
    if (!rule.math) {
      const words = make("span", { class: "words" }, this.inNames(rule.words, k));
      if (!value) return [left, ": ", words];
      left.append(token("mo", "="), this.coloured(value, "local"));
      return [left, " (", words, ")"];
    }
    left.append(token("mo", "="), filled(rule.math, this.names(k)));
    const parts = [left]; // formulas of their own, between which a narrow page can break the line
    // A number, or an operand that is one: it would be said twice.
    const isConstant = !Array.isArray(rule.tree) || (rule.tree[0] === "slot" && this.isSmall([...data.operands[k], k][rule.tree[1]]));
    const fill = isConstant ? null : this.slotNumbers(k);
    if (fill !== null && rule.tree[0] !== "slot") parts.push(formula(" =", filled(rule.math, fill)));
    if (value && !isConstant) parts.push(formula(" =", this.coloured(value, "local")));
    return parts;
  },

  inNames(words, k) {
    // A rule in words, with the names of the operands in place of the primitive's.
    const { slots } = this.data.table[this.data.operations[k]];
    const meant = new Map(slots.map((slot, position) => [slot, this.data.names[[...this.data.operands[k], k][position]]]));
    return words.replace(/\b[a-z]\w+\b/g, (word) => meant.get(word) ?? word);
  },

  // ---- backward ---------------------------------------------------------------------------------

  seedPanel() {
    const name = short(this.data.names[this.data.target], 24);
    const seed = shown(this.data.seed);
    const math = formula(partial(name, name), " =", this.coloured(seed, "adjoint"));
    const text = `The target moves as much as it moves itself. From here each step takes one adjoint and passes it on, multiplied by local derivatives.`;
    return {
      parts: [this.heading("Backward", "The target"), make("p", { class: "equation" }, math), make("p", {}, text)],
      words: `Backward begins: the adjoint of ${this.data.names[this.data.target]} is ${seed}.`,
    };
  },

  backwardPanel(k) {
    const { data } = this;
    const upstream = shown(this.numbers.adjoints[k], 10);
    const target = short(data.names[data.target], 24);
    const math = formula(partial(target, short(data.names[k], 24)), " =", this.coloured(upstream, "adjoint"));
    const parts = [
      this.heading("Backward", short(data.names[k], 60)),
      make("p", { class: "equation" }, math, make("span", { class: "aside" }, "the upstream adjoint, complete")),
    ];
    const words = [`Adjoint of ${data.names[k]}: ${shown(this.numbers.adjoints[k])}.`];
    data.operands[k].forEach((j, position) => {
      if (!data.flows[k][position]) return;
      parts.push(this.passedOn(k, j, position, upstream));
      words.push(`To ${data.names[j]}: ${shown(this.numbers.contributions[k][position])}.`);
    });
    for (const j of new Set(data.operands[k])) parts.push(...this.summed(j, target));
    parts.push(...this.sourceLine(k));
    return { parts, words: words.join(" ") };
  },

  passedOn(k, j, position, upstream) {
    const isTwice = this.data.operands[k].indexOf(j) !== this.data.operands[k].lastIndexOf(j);
    const which = isTwice ? [make("span", { class: "aside" }, `by its ${["first", "second"][position] ?? `${position + 1}th`} operand`)] : [];
    const contribution = shown(this.numbers.contributions[k][position], 10);
    return make("div", { class: "passed" },
      make("p", { class: "local" }, ...this.localFormula(k, j, position), ...which),
      make("p", { class: "times" }, "times upstream ", make("span", { class: "adjoint" }, upstream), " → ",
        make("strong", { class: "adjoint" }, contribution || "…"), " to ", make("b", {}, short(this.data.names[j], 40))));
  },

  summed(j, target) {
    // The multivariable chain rule, where a value is used more than once.
    const count = this.pathCount(j);
    if (count < 2) return [];
    const arrived = this.paths(j);
    const name = short(this.data.names[j], 24);
    const math = formula(partial(target, name), " =");
    const sum = formula(" =");
    arrived.slice(0, 6).forEach(({ user, part }, at) => {
      if (at > 0) [math, sum].forEach((one) => one.append(token("mo", "+")));
      const through = short(this.data.names[user], 24);
      math.append(row(partial(target, through), token("mo", "⋅"), partial(through, name)));
      sum.append(this.term(part, at === 0));
    });
    const isAll = arrived.length === count;
    if (!isAll || arrived.length > 6) math.append(token("mo", "+"), token("mo", "⋯"));
    if (arrived.length > 6) sum.append(token("mo", "+"), token("mo", "⋯"));
    const total = isAll ? [formula(" =", this.coloured(shown(this.adjointNow(j), 10), "adjoint"))] : [];
    const progress = isAll ? `${count === 2 ? "both" : `all ${count}`} paths are summed` : `${arrived.length} of ${count} paths so far`;
    return [make("div", { class: "sum" },
      make("h3", {}, `Paths from ${name} to ${target}: ${progress}`), make("p", { class: "equation" }, math, sum, ...total))];
  },

  term(part, isFirst) {
    const text = shown(part);
    return numberOf(part) === null ? token("mtext", text) : numeral(text, isFirst);
  },

  donePanel() {
    const target = short(this.data.names[this.data.target], 24);
    const list = make("ul", { class: "results" });
    for (const k of this.inputs.slice(0, FEW)) {
      const text = this.data.adjoints[k] === null ? "0 (no path leads to the target)" : shown(this.numbers.adjoints[k], 10);
      const math = formula(partial(target, short(this.data.names[k], 24)), " =");
      list.append(make("li", { "data-input": k }, math, " ", make("span", { class: "adjoint" }, text)));
    }
    if (this.inputs.length > FEW) list.append(make("li", {}, `and ${this.inputs.length - FEW} more: see the tape`));
    const text = "Each says how much the target moves for a small move of one input, all others held.";
    return { parts: [this.heading("Backward", "The gradient"), list, make("p", {}, text)], words: "The gradient is complete." };
  },
});
