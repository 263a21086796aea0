// Nudging: other inputs, the tape run again by the page, and a derivative as the effect of a nudge.
"use strict";

Object.assign(Player.prototype, {
  buildNudge() {
    const section = make("section", { class: "nudge", "aria-label": "Nudge the inputs" }, make("h2", {}, "Nudge the inputs"));
    if (this.why !== null) {
      section.append(make("p", { class: "why" }, `Not possible here: ${this.why}.`));
      return section;
    }
    const size = make("input", { type: "number", class: "size", step: "any", value: "0.01" });
    size.addEventListener("input", () => this.tellNudges());
    this.nudgeSize = size;
    this.resetButton = make("button", { type: "button", class: "reset" }, "Back to the tape");
    this.resetButton.addEventListener("click", () => this.reset());
    section.append(make("div", { class: "settings" }, make("label", {}, "Nudge by ", size), this.resetButton));
    this.nudgeRows = make("div", { class: "rows" });
    if (this.inputs.length > FEW) section.append(this.buildChoice());
    section.append(this.nudgeRows);
    this.drawNudges(this.inputs.slice(0, this.inputs.length > FEW ? 1 : FEW));
    return section;
  },

  buildChoice() {
    const choice = make("select", { class: "choice" });
    for (const k of this.inputs) choice.append(make("option", { value: k }, short(this.data.names[k], 60)));
    choice.addEventListener("change", () => this.drawNudges([Number(choice.value)]));
    return make("div", { class: "settings" }, make("label", {}, `One of ${this.inputs.length} inputs `, choice));
  },

  drawNudges(inputs) {
    this.nudged = inputs.map((k) => this.nudgeRow(k));
    this.nudgeRows.replaceChildren(...this.nudged.map((made) => made.element));
    this.tellNudges();
  },

  nudgeRow(k) {
    const name = this.data.names[k];
    const start = numberOf(this.data.values[k]);
    const reach = Math.max(1, Math.abs(start));
    const field = make("input", { type: "number", class: "field", step: "any", "aria-label": `Value of ${name}`, "data-input": k });
    const slider = make("input", {
      type: "range", class: "slide", min: start - reach, max: start + reach, step: reach / 100, "aria-label": `Slide ${name}`, "data-input": k,
    });
    field.addEventListener("input", () => this.set(k, field.value));
    slider.addEventListener("input", () => this.set(k, slider.value));
    const effect = make("p", { class: "effect" });
    const title = make("b", { title: name }, short(name, 24));
    const up = make("button", { type: "button", class: "up", "aria-label": `Nudge ${name}`, "data-input": k }, "Nudge");
    up.addEventListener("click", () => this.set(k, this.valueOf(k) + Number(this.nudgeSize.value)));
    return { input: k, field, slider, effect, element: make("div", { class: "row" }, title, field, slider, up, effect) };
  },

  valueOf(k) {
    return this.changed.get(k) ?? numberOf(this.data.values[k]);
  },

  set(k, value) {
    const number = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
    if (!Number.isFinite(number)) return; // a field that is being typed in
    this.changed.set(k, number);
    this.recompute();
  },

  reset() {
    this.changed.clear();
    this.recompute();
  },

  recompute() {
    this.numbers = this.changed.size > 0 ? runTape(this.data, this.changed) : this.data;
    this.tellNudges();
    this.refresh();
    this.live.textContent = `${this.data.names[this.data.target]} is now ${shown(this.numbers.values[this.data.target])}.`;
  },

  tellNudges() {
    const by = Number(this.nudgeSize.value);
    this.resetButton.disabled = this.changed.size === 0;
    this.root.classList.toggle("changed", this.changed.size > 0);
    for (const { input, field, slider, effect } of this.nudged) {
      const value = this.valueOf(input);
      if (document.activeElement !== field) field.value = Number(value.toPrecision(10));
      if (document.activeElement !== slider) slider.value = value;
      effect.replaceChildren(...this.effectText(input, by));
    }
  },

  effectText(k, by) {
    if (!Number.isFinite(by) || by === 0 || this.nudgeSize.value === "") return ["Choose a nudge other than 0."];
    const { moved, promised } = nudged(this.data, this.changed, k, by);
    const target = this.data.names[this.data.target];
    const adjoint = shown(this.numbers.adjoints[k] ?? 0);
    return [
      `A nudge of ${shown(by)} in ${this.data.names[k]} moves ${target} by `, make("strong", { class: "value" }, shown(moved, 4)),
      `; its derivative promises ${adjoint}\u00a0×\u00a0${shown(by)}\u00a0=\u00a0`, make("strong", { class: "adjoint" }, shown(promised, 4)), ".",
    ];
  },
});
