// The areas, decoded into columns, and what can be asked of them. Addresses are page numbers: 52 bits, which a double
// holds exactly. Areas are in the order of their first pages.
const head = JSON.parse(document.getElementById("head").textContent);
const PAGE = 2 ** head.pageShift;

const model = (() => {
  const text = atob(document.getElementById("data").textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  let place = 0;
  const varint = () => {
    let value = 0, scale = 1;
    for (;;) {
      const byte = bytes[place++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  const n = head.count;
  const column = (Type, next) => {
    const values = new Type(n);
    for (let i = 0; i < n; i++) values[i] = next(i);
    return values;
  };
  let last = 0;
  const start = column(Float64Array, () => (last += varint()));
  const span = column(Float64Array, varint);
  const guard = column(Uint32Array, varint);
  const frames = column(Float64Array, varint);
  const owner = column(Uint32Array, varint);
  const kind = column(Uint8Array, varint);
  const born = column(Uint32Array, varint);
  const died = column(Float64Array, i => { const life = varint(); return life ? born[i] + life : Infinity; });
  // Runs of frames: for each area how many, and each as a difference and a count.
  const runStart = new Uint32Array(n + 1);
  const runs = [];
  let frame = 0;
  for (let i = 0; i < n; i++) {
    for (let k = varint(); k > 0; k--) {
      const step = varint();
      frame += step % 2 ? -(step + 1) / 2 : step / 2;
      runs.push(frame, varint());
    }
    runStart[i + 1] = runs.length;
  }
  const times = new Float64Array(head.steps);
  for (let i = 0, t = 0; i < head.steps; i++) times[i] = (t += varint());
  // The largest end so far: where a search for what overlaps a page begins.
  const reach = new Float64Array(n);
  for (let i = 0, r = 0; i < n; i++) reach[i] = r = Math.max(r, start[i] + span[i]);
  return { n, start, span, guard, frames, owner, kind, born, died, runStart, runs, times, reach };
})();

// The first area that can overlap a page or anything behind it.
function firstReaching(page) {
  let low = 0, high = model.n;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (model.reach[middle] > page) high = middle; else low = middle + 1;
  }
  return low;
}

const isLive = (i, step) => model.born[i] <= step && model.died[i] > step;
const lazyKind = head.kinds.indexOf("unpurged");
const isLazy = i => model.kind[i] === lazyKind;

// The live area that has a page, or -1.
function areaAt(page, step) {
  for (let i = firstReaching(page); i < model.n && model.start[i] <= page; i++) {
    if (page < model.start[i] + model.span[i] && isLive(i, step)) return i;
  }
  return -1;
}

// What is live at a step: sums, owners, the tables that map it (with base leaves), the largest hole.
function stateAt(step) {
  const size = head.owners.length;
  const s = { areas: 0, pages: 0, frames: 0, hole: 0, ownerPages: new Float64Array(size),
    ownerAreas: new Uint32Array(size), tables: [0, 0, 0, 0, 0] };
  const table = [-1, -1, -1, -1, -1];
  let end = -1;
  for (let i = 0; i < model.n; i++) {
    if (!isLive(i, step)) continue;
    const first = model.start[i], last = first + model.span[i];
    s.areas++;
    s.pages += model.span[i];
    s.frames += model.frames[i];
    s.ownerPages[model.owner[i]] += model.span[i];
    s.ownerAreas[model.owner[i]]++;
    // What lies a tebibyte apart is of different ranges.
    if (end >= 0 && first > end && first - end < 2 ** 28) s.hole = Math.max(s.hole, first - end);
    end = Math.max(end, last);
    const mapped = Math.max(first, last - model.guard[i] - 1);
    // What is in a table that was counted is in counted ones of all levels above, too.
    for (let level = 0, a = Math.floor(first / 512), b = Math.floor(mapped / 512); level < levels && b > table[level]; level++) {
      s.tables[level] += b - Math.max(a, table[level] + 1) + 1;
      table[level] = b;
      a = Math.floor(a / 512);
      b = Math.floor(b / 512);
    }
  }
  return s;
}

// Four levels for 48 bits; a fifth where addresses have 57. The upper half begins at 2^52 less a power of two.
const levels = (() => {
  for (let i = 0; i < model.n; i++) {
    const page = model.start[i];
    if (page >= 2 ** 35 && page < 2 ** 52 - 2 ** 35) return 5;
  }
  return 4;
})();

// Live pages and areas after each step, for the chart.
const course = (() => {
  const pages = new Float64Array(Math.max(1, head.steps)), areas = new Float64Array(Math.max(1, head.steps));
  if (!head.steps) return { pages, areas };
  for (let i = 0; i < model.n; i++) {
    pages[model.born[i]] += model.span[i];
    areas[model.born[i]]++;
    if (model.died[i] < head.steps) {
      pages[model.died[i]] -= model.span[i];
      areas[model.died[i]]--;
    }
  }
  for (let i = 1; i < head.steps; i++) {
    pages[i] += pages[i - 1];
    areas[i] += areas[i - 1];
  }
  return { pages, areas };
})();

// How much of each of the 512 entries of a table is mapped, 0 to 1. Tables near the root have all areas in them, so
// what was counted is kept as long as the step is the same.
const entries = { step: -1, known: new Map() };
function entriesOf(level, index, step) {
  if (entries.step !== step) {
    entries.step = step;
    entries.known.clear();
  }
  const key = level + " " + index;
  let used = entries.known.get(key);
  if (!used) entries.known.set(key, used = countEntries(level, index, step));
  return used;
}
function countEntries(level, index, step) {
  const reach = 512 ** level, first = index * reach * 512;
  const used = new Float64Array(512);
  for (let i = firstReaching(first); i < model.n && model.start[i] < first + reach * 512; i++) {
    if (!isLive(i, step)) continue;
    let from = Math.max(model.start[i], first);
    const end = Math.min(model.start[i] + model.span[i] - model.guard[i], first + reach * 512);
    while (from < end) {
      const entry = Math.floor((from - first) / reach);
      const until = Math.min(end, first + (entry + 1) * reach);
      used[entry] += (until - from) / reach;
      from = until;
    }
  }
  return used;
}

// Words for numbers.
function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit++; }
  return (unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[unit];
}
const pagesText = pages => bytesText(pages * PAGE);
// One formatter for all: making one takes longer than hundreds of numbers.
const grouped = new Intl.NumberFormat("en");
const countText = value => grouped.format(Math.round(value));
const addressText = page => "0x" + (BigInt(page) * BigInt(PAGE)).toString(16).padStart(16, "0");
