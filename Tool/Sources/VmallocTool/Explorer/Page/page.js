// The page: events in, one drawing a frame out.
let now = { ...stateAt(state.step), step: state.step }, isDirty = false, needsState = false;
function refresh(withState) {
  needsState = needsState || withState;
  if (isDirty) return;
  isDirty = true;
  requestAnimationFrame(paint);
}
function paint() {
  isDirty = false;
  if (needsState) {
    if (now.step !== state.step) now = { ...stateAt(state.step), step: state.step };
    figures(now);
    owners(now);
    needsState = false;
    if (head.steps) {
      byId("slider").value = state.step;
      byId("when").textContent = `${timeText(state.step)}  (${countText(state.step + 1)}/${countText(head.steps)})`;
      drawChart();
    }
  }
  map.draw(look());
  drawTree();
  const per = 2 ** map.view.shift, level = Math.floor(map.view.shift / 9);
  byId("scale").textContent = "a row is " + pagesText(per)
    + (map.view.shift % 9 === 0 && level >= 1 && level <= levels ? `, one table of level ${level}` : "");
  byId("detail").innerHTML = state.selected >= 0 ? areaText(state.selected, 40)
    : '<p class="quiet">Point at an area; click to keep it here.</p>';
}

const look = () => ({ ...theme, words: marked === null ? colourWords : markedWords, hasMarks: marked !== null,
  step: state.step, hovered: state.hovered, selected: state.selected, colour: colourOf, marked: isMarked });

function setStep(step) {
  state.step = Math.max(0, Math.min(head.steps - 1, step));
  if (state.hovered >= 0 && !isLive(state.hovered, state.step)) hover(-1);
  refresh(true);
}
function hover(i, page, x, y) {
  state.hovered = i;
  tree.page = page;
  const tip = byId("tip");
  tip.style.display = i >= 0 ? "block" : "none";
  if (i >= 0) {
    tip.innerHTML = areaText(i, 8);
    const box = byId("frame").getBoundingClientRect();
    tip.style.left = Math.max(4, x + 14 + tip.offsetWidth > box.width ? x - tip.offsetWidth - 14 : x + 14) + "px";
    tip.style.top = Math.max(4, Math.min(y + 14, box.height - tip.offsetHeight - 4)) + "px";
  }
  refresh(false);
}
function setSearch(text) {
  state.search = text.trim();
  mark();
  refresh(true);
}
function goTo(i) {
  state.selected = i;
  map.zoom(Math.max(6, Math.min(map.view.shift, Math.ceil(Math.log2(model.span[i])) + 3)), model.start[i]);
  refresh(false);
}
// The next area that the search matches, or the one at an address.
function seek() {
  if (/^0x[0-9a-f]+$/i.test(state.search)) {
    const page = Number(BigInt(state.search) / BigInt(PAGE)), i = areaAt(page, state.step);
    if (i >= 0) goTo(i); else byId("found").textContent = "No live area has this address.";
    return;
  }
  for (let k = 1; k <= model.n; k++) {
    const i = (state.selected + k + model.n) % model.n;
    if (isLive(i, state.step) && (marked === null || isMarked(i))) return goTo(i);
  }
}

function play(on) {
  state.playing = on;
  byId("play").textContent = on ? "❚❚" : "▶";
  if (!on) return;
  if (state.step >= head.steps - 1) setStep(0);
  let from = null, first = state.step;
  const speed = Math.max(20, head.steps / 12);
  const tick = time => {
    if (!state.playing) return;
    if (from === null) from = time;
    setStep(Math.floor(first + (time - from) / 1000 * speed));
    if (state.step >= head.steps - 1) play(false); else requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

const canvas = map.canvas;
let dragFrom = null;
const spot = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const [x, y] = spot(event);
  if (event.shiftKey) {
    map.scroll(event.deltaY || event.deltaX);
  } else if (event.deltaY) {
    const page = map.pageAt(Math.max(x, LEFT), y);
    map.zoom(map.view.shift + (event.deltaY > 0 ? 1 : -1), page >= 0 ? page : undefined, page >= 0 ? y : undefined);
  }
  hover(-1);
}, { passive: false });
canvas.addEventListener("pointerdown", event => {
  const [x, y] = spot(event);
  dragFrom = { y, top: map.view.top, moved: false, isBar: map.isBar(x) };
  canvas.setPointerCapture?.(event.pointerId);
});
canvas.addEventListener("pointermove", event => {
  const [x, y] = spot(event);
  if (dragFrom && (dragFrom.isBar || Math.abs(y - dragFrom.y) > 3)) {
    dragFrom.moved = true;
    if (dragFrom.isBar) map.drag(y); else map.scroll(dragFrom.top + dragFrom.y - y - map.view.top);
    return hover(-1);
  }
  const page = map.pageAt(x, y);
  byId("cursor").textContent = page >= 0 ? addressText(page) : "";
  hover(page >= 0 ? areaAt(page, state.step) : -1, page, x, y);
});
canvas.addEventListener("pointerup", event => {
  const [x, y] = spot(event), page = map.pageAt(x, y);
  if (dragFrom && !dragFrom.moved && !dragFrom.isBar) state.selected = page >= 0 ? areaAt(page, state.step) : -1;
  dragFrom = null;
  refresh(false);
});
canvas.addEventListener("pointerleave", () => { if (!dragFrom) hover(-1); });
canvas.addEventListener("dblclick", event => {
  const [x, y] = spot(event), page = map.pageAt(x, y), i = page >= 0 ? areaAt(page, state.step) : -1;
  if (i >= 0) goTo(i);
});
byId("tree").addEventListener("click", event => {
  const box = byId("tree").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  const row = tree.rows.find(r => y >= r.y - 4 && y <= r.y + r.high + 4);
  if (!row) return;
  const page = row.first + Math.floor(x / row.width * 512) * row.reach, i = Math.min(model.n - 1, firstReaching(page));
  map.zoom(Math.max(4, row.level * 9), Math.max(page, model.start[i]));
  refresh(false);
});
byId("owners").addEventListener("click", event => {
  const row = event.target.closest("li");
  if (!row) return;
  const owner = Number(row.dataset.owner);
  state.owner = state.owner === owner ? -1 : owner;
  mark();
  refresh(true);
});
byId("search").addEventListener("input", event => setSearch(event.target.value));
byId("search").addEventListener("keydown", event => { if (event.key === "Enter") seek(); });
byId("slider").addEventListener("input", event => setStep(Number(event.target.value)));
byId("chart").addEventListener("pointerdown", event => {
  const box = byId("chart").getBoundingClientRect();
  setStep(Math.round((event.clientX - box.left - 8) / (box.width - 16) * (head.steps - 1)));
});
byId("play").addEventListener("click", () => play(!state.playing));
byId("in").addEventListener("click", () => { map.zoom(map.view.shift - 1); refresh(false); });
byId("out").addEventListener("click", () => { map.zoom(map.view.shift + 1); refresh(false); });
byId("fit").addEventListener("click", () => { map.fit(); refresh(false); });
byId("help").addEventListener("click", () => byId("keys").showModal());

const keys = {
  "+": () => map.zoom(map.view.shift - 1), "=": () => map.zoom(map.view.shift - 1), "-": () => map.zoom(map.view.shift + 1),
  f: () => map.fit(), ArrowDown: () => map.scroll(3 * ROW), ArrowUp: () => map.scroll(-3 * ROW),
  PageDown: () => map.scroll(map.view.height * 0.9), PageUp: () => map.scroll(-map.view.height * 0.9),
  Home: () => map.scroll(-Infinity), End: () => map.scroll(Infinity),
  "/": () => byId("search").focus(), "?": () => byId("keys").showModal(),
  Escape: () => {
    state.selected = state.owner = -1;
    byId("search").value = "";
    setSearch("");
  },
  " ": () => head.steps && play(!state.playing),
  ArrowRight: event => setStep(state.step + (event.shiftKey ? Math.ceil(head.steps / 100) : 1)),
  ArrowLeft: event => setStep(state.step - (event.shiftKey ? Math.ceil(head.steps / 100) : 1)),
};
document.addEventListener("keydown", event => {
  const isTyping = event.target.matches?.("input[type=search]");
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open || (isTyping && event.key !== "Escape")) return;
  if (event.target.matches?.("input[type=range]") && event.key.startsWith("Arrow")) return;
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  if (isTyping) event.target.blur();
  action(event);
  refresh(false);
});
function applyTheme() { readTheme(); refresh(true); }
dark.addEventListener("change", applyTheme);
// A canvas that gets a new size is empty, and this runs behind the frame's drawings: so it draws at once.
new ResizeObserver(() => {
  map.resize();
  needsState = true;
  paint();
}).observe(byId("frame"));

byId("source").textContent = head.title;
byId("source").title = head.title;
byId("notes").textContent = head.notes.join(" ");
byId("time").hidden = !head.steps;
byId("slider").max = Math.max(0, head.steps - 1);
readTheme();
mark();
map.resize();
map.fit();
needsState = true;
paint();

// For tests, and for the curious.
window.explorer = { head, model, state, map, stateAt, areaAt, tree, look, colourOf, marked: () => marked,
  firstPicture: performance.now() };
