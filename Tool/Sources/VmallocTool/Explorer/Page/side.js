// What stands beside the map: owners, tables, the area under the pointer, the course over time.
const byId = id => document.getElementById(id);
const state = { step: Math.max(0, head.steps - 1), hovered: -1, selected: -1, owner: -1, search: "", playing: false };
const dark = matchMedia("(prefers-color-scheme: dark)");
const escapeText = text => text.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

// Colours by rank at the busiest moment: neighbours in rank are far apart on the wheel.
const ranks = (() => {
  const peak = new Float64Array(head.owners.length), now = new Float64Array(head.owners.length);
  for (let i = 0; i < model.n; i++) now[model.owner[i]] += model.span[i];
  for (let i = 0; i < peak.length; i++) peak[i] = now[i];
  const order = [...peak.keys()].sort((a, b) => peak[b] - peak[a]);
  const rank = new Uint32Array(peak.length);
  order.forEach((owner, place) => { rank[owner] = place; });
  return rank;
})();
let colours = [], theme = {}, colourWords = null, markedWords = null;
// Colours as the words of an image, for what is too small to be drawn one by one: owners, and at the end that of lazy space.
const wordsOf = list => {
  const canvas = document.createElement("canvas");
  canvas.width = list.length;
  canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  list.forEach((colour, place) => {
    context.fillStyle = colour;
    context.fillRect(place, 0, 1, 1);
  });
  return new Uint32Array(context.getImageData(0, 0, list.length, 1).data.buffer);
};
function readWords() {
  if (colours.length > 30000) return;
  colourWords = wordsOf([...colours, theme.lazy, theme.row]);
  markedWords = marked && wordsOf([...colours.map((c, owner) => marked[owner] ? c : theme.dim), theme.lazy, theme.row]);
}
function readTheme() {
  const style = getComputedStyle(document.documentElement), value = name => style.getPropertyValue(name).trim();
  theme = { row: value("--row"), ink: value("--ink"), quiet: value("--quiet"), line: value("--line"),
    dim: value("--dim"), lazy: value("--lazy"), accent: value("--accent"), panel: value("--panel") };
  const light = parseFloat(value("--light")), strong = parseFloat(value("--strong"));
  colours = head.owners.map((_, owner) => {
    const rank = ranks[owner], hue = (212 + rank * 137.508) % 360;
    // Yellows and greens look lighter than blues of the same lightness.
    const even = hue > 25 && hue < 195 ? -8 : 4;
    return `hsl(${hue.toFixed(0)} ${strong - Math.min(25, rank * 0.6)}% ${light + even + (rank % 3 - 1) * 4}%)`;
  });
  chartPicture = null;
  readWords();
}

// Owners that the search and the choice in the list leave in colour; null for all.
let marked = null;
function mark() {
  const text = state.search.toLowerCase();
  marked = null;
  if (state.owner >= 0 || (text && !text.startsWith("0x"))) {
    marked = head.owners.map((name, owner) =>
      (state.owner < 0 || owner === state.owner) && (!text || text.startsWith("0x") || name.toLowerCase().includes(text)));
  }
  if (colours.length) readWords();
}
const isMarked = i => marked !== null && marked[model.owner[i]];
function colourOf(i) {
  if (marked !== null && !marked[model.owner[i]]) return theme.dim;
  return isLazy(i) ? theme.lazy : colours[model.owner[i]];
}

function figures(now) {
  const rows = [["live areas", countText(now.areas)], ["address space", pagesText(now.pages)],
    ["memory", pagesText(now.frames)], ["owners", countText(now.ownerAreas.reduce((n, c) => n + (c > 0), 0))],
    ["largest hole", now.hole ? pagesText(now.hole) : "–"],
    ["page tables", countText(now.tables.slice(0, levels).reduce((a, b) => a + b, 0))]];
  const sample = sampleAt(state.step);
  if (sample >= 0) {
    rows.push(["flushes", countText(head.samples.flushes[sample])]);
    rows.push(["not flushed", bytesText(head.samples.unflushed[sample])]);
  }
  byId("figures").innerHTML = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");
  byId("tables").textContent = "With base leaves, from the root: "
    + now.tables.slice(0, levels).reverse().map(countText).join(" · ") + " tables.";
}
function sampleAt(step) {
  let found = -1;
  for (let i = 0; i < head.samples.step.length && head.samples.step[i] <= step; i++) found = i;
  return found;
}

// Rows that are drawn at once, and so many in all once nothing has changed for a while: a list that is made anew with
// every step of the slider must be short.
const SHOWN = 300, SHOWN_AT_ONCE = 30;
let laterRows = 0;
function owners(now) {
  const text = state.search.toLowerCase(), isAddress = text.startsWith("0x");
  const all = [...now.ownerPages.keys()].filter(o => now.ownerAreas[o] > 0)
    .filter(o => !text || isAddress || head.owners[o].toLowerCase().includes(text))
    .sort((a, b) => now.ownerPages[b] - now.ownerPages[a]);
  const pages = all.reduce((sum, o) => sum + now.ownerPages[o], 0), areas = all.reduce((sum, o) => sum + now.ownerAreas[o], 0);
  byId("found").textContent = `${countText(all.length)} owners, ${countText(areas)} areas, ${pagesText(pages)}`
    + (all.length > SHOWN ? `; the first ${SHOWN}` : "");
  const row = o => `<li data-owner="${o}"${o === state.owner ? ' class="on"' : ""}`
    + ` title="${escapeText(head.owners[o])}"><i style="background:${colours[o]}"></i>`
    + `<span class="name">${escapeText(head.owners[o])}</span><span class="count">${countText(now.ownerAreas[o])}</span>`
    + `<span class="size">${pagesText(now.ownerPages[o])}</span></li>`;
  const list = byId("owners");
  list.innerHTML = all.slice(0, SHOWN_AT_ONCE).map(row).join("");
  clearTimeout(laterRows);
  laterRows = setTimeout(() => list.insertAdjacentHTML("beforeend", all.slice(SHOWN_AT_ONCE, SHOWN).map(row).join("")), 150);
}

// An area in words, with where its frames lie.
function areaText(i, most) {
  const rows = [["addresses", addressText(model.start[i]) + "<br>–" + addressText(model.start[i] + model.span[i])],
    ["size", pagesText(model.span[i]) + (model.guard[i] ? `, ${model.guard[i]} of ${countText(model.span[i])} pages guard` : "")]];
  if (head.kinds.length > 1) rows.push(["kind", escapeText(head.kinds[model.kind[i]])]);
  rows.push(["frames", countText(model.frames[i]) + framesText(i, most)]);
  if (head.steps) {
    rows.push(["since", timeText(model.born[i]) + (model.died[i] < head.steps ? ", until " + timeText(model.died[i]) : "")]);
  }
  return `<b>${escapeText(head.owners[model.owner[i]])}</b><table>`
    + rows.map(([name, value]) => `<tr><th>${name}</th><td>${value}</td></tr>`).join("") + "</table>";
}
function framesText(i, most) {
  const from = model.runStart[i] / 2, until = model.runStart[i + 1] / 2;
  if (from === until) return "";
  const parts = [];
  for (let k = from; k < Math.min(until, from + most); k++) {
    const frame = model.runs[2 * k], count = model.runs[2 * k + 1];
    parts.push("0x" + frame.toString(16) + (count > 1 ? "–" + (frame + count - 1).toString(16) : ""));
  }
  return ` in ${until - from} ${until - from === 1 ? "run" : "runs"}<br>` + parts.join(", ") + (until - from > most ? ", …" : "");
}

function timeText(step) {
  if (!head.steps) return "";
  const micros = model.times[Math.min(step, head.steps - 1)];
  if (!head.seconds) return countText(micros) + " ticks";
  return micros < 1e6 ? (micros / 1000).toFixed(1) + " ms" : (micros / 1e6).toFixed(3) + " s";
}

// The tables that lead to an address, from the root down: each a strip of 512 entries, the one that is walked linked to
// the table that it leads to.
const tree = { page: -1, rows: [] };
function drawTree() {
  const canvas = byId("tree"), box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  tree.rows = [];
  if (!model.n) return;
  const focus = state.hovered >= 0 ? tree.page : state.selected >= 0 ? model.start[state.selected] : model.start[0];
  const high = 12, pitch = (box.height - 14 - high) / (levels - 1 || 1), width = box.width - 2;
  context.font = "10.5px system-ui, 'DejaVu Sans', sans-serif";
  for (let level = levels - 1; level >= 0; level--) {
    const reach = 512 ** level, index = Math.floor(focus / (reach * 512)), first = index * reach * 512;
    const used = entriesOf(level, index, state.step), y = 14 + (levels - 1 - level) * pitch;
    const chosen = Math.min(511, Math.floor((focus - first) / reach));
    let count = 0;
    context.fillStyle = theme.row;
    context.fillRect(0, y, width, high);
    for (let entry = 0; entry < 512; entry++) {
      if (used[entry] <= 0) continue;
      count++;
      context.globalAlpha = 0.35 + 0.65 * Math.min(1, used[entry]);
      context.fillStyle = theme.accent;
      context.fillRect(entry / 512 * width, y, Math.max(1, width / 512), high);
    }
    context.globalAlpha = 1;
    context.fillStyle = theme.quiet;
    context.fillText(`level ${level + 1}: ${count} of 512 entries, ${pagesText(reach)} each`, 0, y - 4);
    const x = (chosen + 0.5) / 512 * width;
    context.strokeStyle = theme.ink;
    context.lineWidth = 1.5;
    context.strokeRect(Math.max(1, x - 2), y - 1, 4, high + 2);
    if (level > 0) {
      context.strokeStyle = theme.quiet;
      context.globalAlpha = 0.55;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(0.5, y + pitch - 14);
      context.lineTo(x, y + high + 2);
      context.lineTo(width - 0.5, y + pitch - 14);
      context.stroke();
      context.globalAlpha = 1;
    }
    tree.rows.push({ y, high, level, first, reach, width, count });
  }
}

let chartPicture = null;
function drawChart() {
  const canvas = byId("chart"), box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  if (!chartPicture || chartPicture.boxWidth !== box.width || chartPicture.ratio !== ratio) {
    chartPicture = { boxWidth: box.width, ratio, canvas: drawCourse(box, ratio) };
  }
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const context = canvas.getContext("2d");
  context.drawImage(chartPicture.canvas, 0, 0);
  context.scale(ratio, ratio);
  context.fillStyle = theme.ink;
  context.fillRect(courseX(state.step, box.width) - 0.75, 0, 1.5, box.height);
}
const courseX = (step, width) => 8 + (head.steps > 1 ? step / (head.steps - 1) : 0) * (width - 16);
// The live pages over all of the time, which is the same for every step.
function drawCourse(box, ratio) {
  const canvas = document.createElement("canvas"), height = box.height - 3, steps = head.steps;
  canvas.width = Math.max(1, box.width * ratio);
  canvas.height = Math.max(1, box.height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const most = course.pages.reduce((a, b) => Math.max(a, b), 1);
  const x = step => courseX(step, box.width), y = pages => 2 + height - pages / most * height;
  context.beginPath();
  context.moveTo(x(0), y(0));
  const stride = Math.max(1, Math.floor(steps / (box.width - 16)));
  for (let step = 0; step < steps; step += stride) {
    let peak = 0;
    for (let k = step; k < Math.min(steps, step + stride); k++) peak = Math.max(peak, course.pages[k]);
    context.lineTo(x(step), y(peak));
  }
  context.lineTo(x(steps - 1), y(course.pages[steps - 1]));
  context.lineTo(x(steps - 1), y(0));
  context.fillStyle = theme.accent;
  context.globalAlpha = 0.22;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = theme.accent;
  context.stroke();
  return canvas;
}
