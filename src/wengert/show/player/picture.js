// The picture of the circuit, or of the part of it around the step that is shown.
"use strict";

function caption(name, text, y, room, each) {
  // A text in a box, pressed together where it would not fit; `each` is about a character's width.
  const pressed = text.length * each > room ? { textLength: room, lengthAdjust: "spacingAndGlyphs" } : {};
  return draw("text", { class: name, y, "text-anchor": "middle", ...pressed }, text);
}

Object.assign(Player.prototype, {
  drawPicture(step) {
    const centre = step.node ?? (step.phase === "inputs" ? this.inputs[0] : this.data.target);
    const needed = [centre, ...this.data.operands[centre]];
    if (!needed.every((k) => this.window.includes(k))) {
      this.window = windowAround(this.data, this.users, centre);
      this.layout = layered(this.data, this.window);
    }
    const focused = this.picture.contains(document.activeElement) ? document.activeElement.dataset.node : undefined;
    this.picture.replaceChildren();
    const { width, height } = this.layout;
    // A little smaller where the whole then fits, or on a phone; else it is scrolled.
    const fitting = Math.min(1, this.scroller.clientWidth / width);
    this.scale = fitting >= SMALLEST ? fitting : this.width < NARROW ? SMALLEST : 1;
    for (const [name, value] of Object.entries({ width: width * this.scale, height: height * this.scale, viewBox: `0 0 ${width} ${height}` })) {
      this.picture.setAttribute(name, value);
    }
    this.wires = [];
    this.boxes = new Map();
    const [below, above] = [draw("g"), draw("g")];
    for (const k of this.window) this.drawWires(k, step, below);
    for (const k of this.window) above.append(this.drawBox(k, step));
    this.picture.append(below, above);
    if (focused !== undefined) this.boxes.get(Number(focused))?.focus({ preventScroll: true });
    this.bringIntoView(centre);
  },

  drawWires(k, step, layer) {
    const to = this.layout.places.get(k);
    const inside = new Set(this.window);
    for (const j of new Set(this.data.operands[k])) {
      if (!inside.has(j)) continue;
      const from = this.layout.places.get(j);
      const bends = this.layout.routes.get(`${j}-${k}`);
      const start = { x: from.x + this.half(j), y: from.y };
      const end = { x: to.x - this.half(k), y: to.y };
      const isActive = step.node === k && step.phase !== "seed";
      const flows = this.data.operands[k].some((i, position) => i === j && this.data.flows[k][position]);
      const wire = draw("path", { class: "wire", d: curve([start, ...bends, end]) });
      wire.classList.toggle("active", isActive && (step.phase === "forward" || flows));
      wire.classList.toggle("back", isActive && step.phase === "backward" && flows);
      wire.classList.toggle("still", !flows);
      this.wires.push({ from: j, to: k, wire });
      layer.append(wire);
    }
    if (this.data.operands[k].some((j) => !inside.has(j))) layer.append(this.stub(to.x - this.half(k) - 14, to.y));
    if (this.users[k].some((j) => !inside.has(j))) layer.append(this.stub(to.x + this.half(k) + 14, to.y + 24));
  },

  stub(x, y) {
    // More of the tape lies outside the window.
    return draw("text", { class: "stub", x, y: y + 4, "text-anchor": "middle" }, "⋯");
  },

  half(k) {
    return this.isSmall(k) ? 26 : BOX.width / 2;
  },

  isSmall(k) {
    return this.data.kinds[k] === "constant";
  },

  drawBox(k, step) {
    const { data } = this;
    const { x, y } = this.layout.places.get(k);
    const operation = data.table[data.operations[k]];
    const isStart = operation === undefined;
    const box = draw("g", { class: `node ${data.kinds[k]}`, transform: `translate(${x},${y})`, "data-node": k });
    const [w, h] = [this.half(k), isStart ? 15 : BOX.height / 2];
    box.append(draw("rect", { x: -w, y: -h, width: 2 * w, height: 2 * h, rx: isStart ? h : 6 }));
    const name = this.isSmall(k) ? shown(data.values[k], 4) : short(data.names[k], 14);
    box.append(caption("name", name, isStart ? 5 : -2, 2 * w - 14, 7.8));
    if (!isStart) box.append(caption("operation", short(operation.name, 16), 13, 2 * w - 14, 6.6));
    const value = this.isComputed(k) ? short(shown(this.numbers.values[k]), 14) : "";
    const adjoint = short(shown(this.adjointNow(k)), 14);
    if (!this.isSmall(k)) {
      box.append(draw("text", { class: "value", x: w + 5, y: -6 }, value));
      box.append(draw("text", { class: "adjoint", x: w + 5, y: 16 }, adjoint));
    }
    box.classList.toggle("current", step.node === k);
    box.classList.toggle("waiting", !this.isComputed(k));
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.setAttribute("aria-label", this.described(k));
    box.append(draw("title", {}, `${data.names[k]}: ${data.expressions[k] || data.kinds[k]}`));
    box.addEventListener("pointerenter", () => this.point(k));
    box.addEventListener("pointerleave", () => this.point(null));
    box.addEventListener("focus", () => this.point(k));
    box.addEventListener("blur", () => this.point(null));
    box.addEventListener("click", () => this.goTo(k));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.goTo(k);
    });
    this.boxes.set(k, box);
    return box;
  },

  described(k) {
    // A node in words, for those who listen.
    const parts = [this.data.names[k], this.data.expressions[k] || this.data.kinds[k]];
    if (this.isComputed(k)) parts.push(`value ${shown(this.numbers.values[k])}`);
    const adjoint = this.adjointNow(k);
    if (adjoint !== null) parts.push(`adjoint ${shown(adjoint)}`);
    return parts.join(", ");
  },

  bringIntoView(k) {
    // Sideways and downwards within the picture only: the page itself stays where it is.
    const place = this.layout.places.get(k);
    const [x, y] = [place.x * this.scale, place.y * this.scale];
    const { clientWidth, clientHeight, scrollLeft, scrollTop } = this.scroller;
    const margin = 120;
    if (x - margin < scrollLeft || x + margin > scrollLeft + clientWidth) this.scroller.scrollLeft = x - clientWidth / 2;
    if (y - 40 < scrollTop || y + 40 > scrollTop + clientHeight) this.scroller.scrollTop = y - clientHeight / 2;
  },

  // ---- what depends on what ---------------------------------------------------------------------

  point(k) {
    this.pointed = k;
    this.light();
  },

  light() {
    const k = this.pointed;
    const before = k === null ? new Set() : reached(k, (j) => this.data.operands[j]);
    const after = k === null ? new Set() : reached(k, (j) => this.users[j]);
    const mark = (element, node) => {
      element.classList.toggle("before", before.has(node));
      element.classList.toggle("after", after.has(node));
      element.classList.toggle("pointed", node === k);
      element.classList.toggle("dim", k !== null && node !== k && !before.has(node) && !after.has(node));
    };
    for (const [node, box] of this.boxes) mark(box, node);
    for (const line of this.lines.children) mark(line, Number(line.dataset.node));
    for (const { from, to, wire } of this.wires) {
      const [isBefore, isAfter] = [before.has(to) || to === k, after.has(from) || from === k];
      wire.classList.toggle("before", k !== null && isBefore);
      wire.classList.toggle("after", k !== null && isAfter);
      wire.classList.toggle("dim", k !== null && !isBefore && !isAfter);
    }
    this.relation.textContent = k === null ? this.relationDefault : this.relationText(k, before, after);
  },

  relationText(k, before, after) {
    const some = (found) => {
      const names = [...found].filter((j) => !this.isSmall(j)).sort((a, b) => a - b).map((j) => short(this.data.names[j], 24));
      const rest = names.length > 6 ? ` and ${names.length - 6} more` : "";
      return names.length === 0 ? "nothing" : names.slice(0, 6).join(", ") + rest;
    };
    return `${short(this.data.names[k], 40)} depends on ${some(before)}; it influences ${some(after)}.`;
  },

  // ---- the list ---------------------------------------------------------------------------------

  revealLine(k) {
    if (k === null) return;
    const top = k * ROW;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop || top + ROW > scrollTop + clientHeight) this.list.scrollTop = top - clientHeight / 2;
  },

  drawTape() {
    // Only the lines that are seen: a tape of thousands is as quick as one of five.
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - 4);
    const last = Math.min(this.data.names.length, first + Math.ceil((this.list.clientHeight || 400) / ROW) + 8);
    const focused = document.activeElement?.closest?.(".line")?.dataset.node;
    const made = [];
    for (let k = first; k < last; k += 1) made.push(this.tapeLine(k));
    this.lines.replaceChildren(...made);
    if (focused !== undefined) this.lines.querySelector(`[data-node="${focused}"] button`)?.focus({ preventScroll: true });
  },

  tapeLine(k) {
    const { data } = this;
    const step = this.steps[this.at];
    const line = make("div", {
      class: "line", role: "listitem", "data-node": k, "aria-setsize": data.names.length, "aria-posinset": k + 1,
    });
    line.style.top = `${k * ROW}px`;
    const what = data.expressions[k] ? `${data.names[k]} = ${data.expressions[k]}` : this.isSmall(k) ? "constant" : data.names[k];
    const place = data.places[data.lines[k]];
    const button = make("button", { type: "button", class: "what", title: place ? `${what}\n${place}` : what }, what);
    button.addEventListener("click", () => this.goTo(k));
    button.addEventListener("focus", () => this.point(k));
    button.addEventListener("blur", () => this.point(null));
    line.addEventListener("pointerenter", () => this.point(k));
    line.addEventListener("pointerleave", () => this.point(null));
    const value = this.isComputed(k) ? shown(this.numbers.values[k]) : "";
    line.append(button, make("span", { class: "value" }, value), make("span", { class: "adjoint" }, shown(this.adjointNow(k))));
    line.classList.toggle("current", step.node === k);
    line.classList.toggle("waiting", !this.isComputed(k));
    if (step.node === k) line.setAttribute("aria-current", "step");
    return line;
  },
});
