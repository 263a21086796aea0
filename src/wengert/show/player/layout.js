// Places for the nodes of a picture: columns by depth, few crossings, edges as smooth curves.
// A long tape is shown through a window of nodes around the one that is looked at.
"use strict";

const BOX = { width: 104, height: 40, across: 250, down: 86, small: 34 };
const TRUNK = 92; // how far an edge runs straight, below a value and above an adjoint
const WHOLE_UP_TO = 60; // nodes; a longer tape is shown in part
const WINDOW = 26; // nodes of that part

function windowAround(data, users, centre) {
  // The nodes nearest to one, breadth first, with all operands of the one itself.
  if (data.names.length <= WHOLE_UP_TO) return data.names.map((_, k) => k);
  const chosen = new Set([centre, ...data.operands[centre], ...users[centre].slice(0, 8)]);
  let edge = [...chosen];
  while (edge.length > 0 && chosen.size < WINDOW) {
    const next = [];
    for (const k of edge) {
      for (const j of [...data.operands[k], ...users[k].slice(0, 6)]) {
        if (chosen.size < WINDOW && !chosen.has(j)) {
          chosen.add(j);
          next.push(j);
        }
      }
    }
    edge = next;
  }
  return [...chosen].sort((a, b) => a - b);
}

function layered(data, nodes) {
  // A Map from node to {x, y}, a Map from "source-target" to points between, and the size of all.
  const inside = new Set(nodes);
  const operands = new Map(nodes.map((k) => [k, [...new Set(data.operands[k])].filter((j) => inside.has(j))]));
  const depth = depths(nodes, operands);
  const columns = [];
  const place = (item, column) => (columns[column] ??= []).push(item);
  const links = []; // pairs of items in neighbouring columns
  const items = new Map();
  for (const k of nodes) {
    items.set(k, { node: k, order: 0 });
    place(items.get(k), depth.get(k));
  }
  const routes = new Map();
  for (const k of nodes) {
    for (const j of operands.get(k)) {
      const route = [];
      let before = items.get(j);
      for (let column = depth.get(j) + 1; column < depth.get(k); column += 1) {
        const bend = { node: null, order: 0 };
        place(bend, column);
        links.push([before, bend]);
        route.push(bend);
        before = bend;
      }
      links.push([before, items.get(k)]);
      routes.set(`${j}-${k}`, route);
    }
  }
  for (let column = 0; column < columns.length; column += 1) columns[column] ??= [];
  columns.forEach((column, x) => column.forEach((item) => (item.column = x)));
  untangle(columns, links);
  const height = straighten(columns, links);
  const at = (item) => ({ x: item.column * BOX.across + BOX.width / 2 + 8, y: item.y });
  return {
    places: new Map(nodes.map((k) => [k, at(items.get(k))])),
    routes: new Map([...routes].map(([name, route]) => [name, route.map(at)])),
    width: (columns.length - 1) * BOX.across + BOX.width + 96,
    height,
  };
}

function depths(nodes, operands) {
  // The longest path from a start; what nothing leads to stands just before its first use.
  const depth = new Map();
  for (const k of nodes) {
    depth.set(k, Math.max(-1, ...operands.get(k).map((j) => depth.get(j))) + 1);
  }
  const firstUse = new Map();
  for (const k of nodes) {
    for (const j of operands.get(k)) {
      firstUse.set(j, Math.min(firstUse.get(j) ?? Infinity, depth.get(k)));
    }
  }
  for (const k of nodes) {
    if (operands.get(k).length === 0 && firstUse.has(k)) depth.set(k, firstUse.get(k) - 1);
  }
  return depth;
}

function untangle(columns, links) {
  // Order each column by the mean place of its neighbours, to and fro; keep the best order found.
  const left = new Map();
  const right = new Map();
  for (const [a, b] of links) {
    right.set(a, [...(right.get(a) ?? []), b]);
    left.set(b, [...(left.get(b) ?? []), a]);
  }
  const number = (column) => column.forEach((item, order) => (item.order = order));
  columns.forEach(number);
  let best = crossings(columns, right);
  let kept = columns.map((column) => [...column]);
  for (let round = 0; round < 12 && best > 0; round += 1) {
    const isForward = round % 2 === 0;
    for (const column of isForward ? columns : [...columns].reverse()) {
      const near = isForward ? left : right;
      const mean = (item) => {
        const found = near.get(item) ?? [];
        return found.length === 0 ? item.order : found.reduce((sum, x) => sum + x.order, 0) / found.length;
      };
      const means = new Map(column.map((item) => [item, mean(item)]));
      column.sort((a, b) => means.get(a) - means.get(b) || a.order - b.order);
      number(column);
    }
    const count = crossings(columns, right);
    if (count < best) {
      best = count;
      kept = columns.map((column) => [...column]);
    }
  }
  kept.forEach((column, x) => {
    columns[x] = column;
    number(column);
  });
}

function crossings(columns, right) {
  let count = 0;
  for (const column of columns) {
    const ends = column.flatMap((item) => (right.get(item) ?? []).map((x) => x.order).sort((a, b) => a - b));
    for (let a = 0; a < ends.length; a += 1) {
      for (let b = a + 1; b < ends.length; b += 1) count += Number(ends[a] > ends[b]);
    }
  }
  return count;
}

function straighten(columns, links) {
  // Heights in the found order, drawn towards the mean of the neighbours; returns the total height.
  const near = new Map();
  for (const [a, b] of links) {
    near.set(a, [...(near.get(a) ?? []), b]);
    near.set(b, [...(near.get(b) ?? []), a]);
  }
  for (const item of columns.flat()) item.weight = ((near.get(item) ?? []).length || 1) ** 3;
  const tallest = Math.max(...columns.map((column) => column.length));
  for (const column of columns) {
    column.forEach((item, k) => (item.y = (k + (tallest - column.length) / 2) * BOX.down));
  }
  for (let round = 0; round < 24; round += 1) {
    const order = round % 2 === 0 ? columns : [...columns].reverse();
    for (const column of order) {
      for (const item of column) {
        const found = near.get(item) ?? [];
        if (found.length > 0) item.y = (item.y + found.reduce((sum, x) => sum + x.y, 0) / found.length) / 2;
      }
      spread(column);
    }
  }
  const all = columns.flat();
  const top = Math.min(...all.map((item) => item.y));
  for (const item of all) item.y += BOX.height + 4 - top;
  return Math.max(...all.map((item) => item.y)) + BOX.height + 8;
}

function spread(column) {
  // Push neighbours apart until none overlap: what has many edges stays, what has few gives way.
  for (let round = 0; round < 8; round += 1) {
    let isDone = true;
    for (let k = 1; k < column.length; k += 1) {
      const gap = column[k - 1].node === null && column[k].node === null ? BOX.small : BOX.down;
      const lack = gap - (column[k].y - column[k - 1].y);
      if (lack > 0.5) {
        const part = column[k].weight / (column[k - 1].weight + column[k].weight);
        column[k - 1].y -= lack * part;
        column[k].y += lack * (1 - part);
        isDone = false;
      }
    }
    if (isDone) return;
  }
  for (let k = 1; k < column.length; k += 1) {
    const isThin = column[k - 1].node === null && column[k].node === null;
    column[k].y = Math.max(column[k].y, column[k - 1].y + (isThin ? BOX.small : BOX.down - 8));
  }
}

function curve(points) {
  // A smooth path from left to right through the points.
  const first = { x: points[0].x + TRUNK, y: points[0].y };
  let path = `M${points[0].x},${points[0].y}H${first.x}`;
  for (let k = 1; k < points.length; k += 1) {
    const [a, b] = [k === 1 ? first : points[k - 1], points[k]];
    const middle = (a.x + b.x) / 2;
    path += `C${middle},${a.y} ${middle},${b.y} ${b.x},${b.y}`;
  }
  return path;
}
