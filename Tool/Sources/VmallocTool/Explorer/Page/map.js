// The map: rows of a power of two of pages, from left to right and from top to bottom, so that tables begin where rows
// do. Rows in which nothing ever was are left out, and a thin line says how much that is.
const ROW = 18, GAP = 22, LEFT = 150, BAR = 10;

const map = (() => {
  const canvas = document.getElementById("map");
  const context = canvas.getContext("2d");
  const view = { shift: 9, top: 0, width: 0, height: 0, ratio: 1 };
  let segments = [], total = 0;

  // Runs of rows that areas touch, at this zoom, and where each begins on the sheet.
  function layOut() {
    const per = 2 ** view.shift;
    segments = [];
    let y = 8;
    for (let i = 0; i < model.n; i++) {
      const first = Math.floor(model.start[i] / per);
      const last = Math.floor((model.start[i] + model.span[i] - 1) / per);
      const open = segments[segments.length - 1];
      // A gap of one row is no shorter than that row.
      if (open && first <= open.last + 2) {
        open.last = Math.max(open.last, last);
      } else {
        segments.push({ first, last, y: 0 });
      }
    }
    for (const segment of segments) {
      if (segment !== segments[0]) y += GAP;
      segment.y = y;
      y += (segment.last - segment.first + 1) * ROW;
    }
    total = y + 8;
  }

  const plotWidth = () => Math.max(1, view.width - LEFT - BAR - 8);
  const clampTop = () => { view.top = Math.max(0, Math.min(view.top, total - view.height)); };

  const segmentAt = y => segments[segmentNumberAt(y)];
  function segmentNumberAt(y) {
    let low = 0, high = segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (segments[middle].y <= y) low = middle; else high = middle - 1;
    }
    return low;
  }

  // The page at a point of the canvas, or -1.
  function pageAt(x, y) {
    if (!segments.length || x < LEFT || x > LEFT + plotWidth()) return -1;
    const sheet = y + view.top, segment = segmentAt(sheet);
    const row = Math.floor((sheet - segment.y) / ROW);
    if (row < 0 || row > segment.last - segment.first) return -1;
    const per = 2 ** view.shift;
    return (segment.first + row) * per + Math.floor((x - LEFT) / plotWidth() * per);
  }

  // Where a page is drawn: the middle of its row on the sheet, and its x.
  function placeOf(page) {
    const per = 2 ** view.shift, row = Math.floor(page / per);
    let found = segments[0];
    for (let low = 0, high = segments.length - 1; low <= high;) {
      const middle = (low + high) >> 1;
      if (segments[middle].first <= row) { found = segments[middle]; low = middle + 1; } else high = middle - 1;
    }
    return { x: LEFT + (page - row * per) / per * plotWidth(), y: found.y + (row - found.first) * ROW + ROW / 2 };
  }

  function zoom(shift, page, atY) {
    shift = Math.max(4, Math.min(44, shift));
    if (shift === view.shift && page === undefined) return;
    if (page === undefined) {
      page = pageAt(LEFT + 1, view.height / 2);
      if (page < 0) page = segments.length ? segmentAt(view.top + view.height / 2).first * 2 ** view.shift : 0;
    }
    view.shift = shift;
    layOut();
    if (segments.length) view.top = placeOf(page).y - (atY === undefined ? view.height / 2 : atY);
    clampTop();
  }

  // The finest zoom at which everything is in sight.
  function fit() {
    let low = 4, high = 44;
    while (low < high) {
      view.shift = (low + high) >> 1;
      layOut();
      if (total <= view.height) high = view.shift; else low = view.shift + 1;
    }
    view.shift = low;
    layOut();
    view.top = 0;
  }

  function resize() {
    const box = canvas.getBoundingClientRect();
    view.ratio = window.devicePixelRatio || 1;
    view.width = box.width;
    view.height = box.height;
    canvas.width = Math.round(box.width * view.ratio);
    canvas.height = Math.round(box.height * view.ratio);
    clampTop();
  }

  // Where a pixel is more than a page, a row is an image of one line: what is too small to be drawn one by one is one
  // word each, and the last one in a pixel is seen. Marked areas come last.
  const fine = document.createElement("canvas"), fineContext = fine.getContext("2d", { willReadFrequently: true });
  function drawFineRow(row, y, look) {
    const per = 2 ** view.shift, width = Math.max(1, Math.round(plotWidth() * view.ratio)), scale = width / per;
    const first = row * per, end = first + per, lazy = head.owners.length;
    if (fine.width !== width) {
      fine.width = width;
      fine.height = 1;
    }
    const line = fineContext.createImageData(width, 1), pixels = new Uint32Array(line.data.buffer);
    pixels.fill(look.words[lazy + 1]);
    const begin = firstReaching(first);
    for (const pass of look.hasMarks ? [false, true] : [true]) {
      for (let i = begin; i < model.n && model.start[i] < end; i++) {
        if (!isLive(i, look.step) || (look.hasMarks && look.marked(i) !== pass)) continue;
        const from = Math.max(0, Math.floor((model.start[i] - first) * scale));
        const until = Math.round((model.start[i] + model.span[i] - model.guard[i] - first) * scale);
        if (until < 0 || from >= width) continue;
        pixels.fill(look.words[pass && isLazy(i) ? lazy : model.owner[i]], from,
          Math.min(width, Math.max(from + 1, until - (until - from > 4 ? 1 : 0))));
      }
    }
    fineContext.putImageData(line, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(fine, LEFT, y + 1, plotWidth(), ROW - 2);
    for (const i of [look.selected, look.hovered]) {
      if (i < 0 || model.start[i] >= end || model.start[i] + model.span[i] <= first || !isLive(i, look.step)) continue;
      const x = LEFT + Math.max(0, model.start[i] - first) / per * plotWidth();
      outline(x, LEFT + Math.min(per, model.start[i] + model.span[i] - first) / per * plotWidth(), y, look);
    }
  }

  function outline(x, right, y, look) {
    context.strokeStyle = look.ink;
    context.lineWidth = 1.5;
    context.strokeRect(x + 0.5, y + 1.5, Math.max(2, right - x - 1.5), ROW - 3);
  }

  function drawRow(row, y, look) {
    const per = 2 ** view.shift, width = plotWidth(), scale = width / per;
    if (scale < 1 && look.words) return drawFineRow(row, y, look);
    const first = row * per, end = first + per;
    context.fillStyle = look.row;
    context.fillRect(LEFT, y + 1, width, ROW - 2);
    let drawn = -1;
    for (let i = firstReaching(first); i < model.n && model.start[i] < end; i++) {
      if (!isLive(i, look.step)) continue;
      const from = Math.max(model.start[i], first), until = Math.min(model.start[i] + model.span[i], end);
      if (until <= from) continue;
      const x = LEFT + (from - first) * scale;
      const right = LEFT + (until - first) * scale;
      // At this zoom many areas share a pixel: those that add none are not drawn.
      if (right <= drawn && i !== look.selected && !look.marked(i)) continue;
      const solid = Math.min(until, model.start[i] + model.span[i] - model.guard[i]);
      const wide = Math.max(right - x - (right - x > 4 ? 1 : 0), 0.8);
      context.fillStyle = look.colour(i);
      if (solid > from) {
        context.fillRect(x, y + 1, until > solid && right - x > 4 ? (solid - from) * scale : wide, ROW - 2);
      }
      if (until > solid && right - x > 4) {
        const guardX = LEFT + (Math.max(solid, from) - first) * scale;
        context.globalAlpha = 0.28;
        context.fillRect(guardX, y + 1, Math.max(0, right - guardX - 1), ROW - 2);
        context.globalAlpha = 1;
      }
      if (i === look.selected || i === look.hovered) outline(x, right, y, look);
      drawn = Math.max(drawn, Math.ceil(right * view.ratio) / view.ratio - 0.5);
    }
  }

  function draw(look) {
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    context.textBaseline = "middle";
    const bottom = view.top + view.height;
    for (let k = segmentNumberAt(view.top); k < segments.length && segments[k].y - GAP < bottom; k++) {
      const segment = segments[k], rows = segment.last - segment.first + 1;
      if (k > 0) drawGap(segments[k - 1], segment, look);
      const from = Math.max(0, Math.floor((view.top - segment.y) / ROW));
      const until = Math.min(rows, Math.ceil((bottom - segment.y) / ROW));
      for (let row = from; row < until; row++) {
        const y = segment.y + row * ROW - view.top;
        context.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace";
        context.fillStyle = look.quiet;
        context.fillText(addressText((segment.first + row) * 2 ** view.shift), 10, y + ROW / 2);
        drawRow(segment.first + row, y, look);
      }
    }
    drawScrollBar(look);
  }

  function drawGap(before, segment, look) {
    const y = segment.y - GAP / 2 - view.top;
    const text = pagesText((segment.first - before.last - 1) * 2 ** view.shift) + " free";
    context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    context.fillStyle = look.quiet;
    context.fillText(text, LEFT, y);
    const x = LEFT + context.measureText(text).width + 8;
    context.strokeStyle = look.line;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(LEFT + plotWidth(), y);
    context.stroke();
    context.setLineDash([]);
  }

  function drawScrollBar(look) {
    if (total <= view.height) return;
    const height = Math.max(24, view.height * view.height / total);
    const y = (view.height - height) * view.top / (total - view.height);
    context.fillStyle = look.line;
    context.beginPath();
    context.roundRect(view.width - BAR, y + 2, BAR - 4, height - 4, 3);
    context.fill();
  }

  const scroll = by => { view.top += by; clampTop(); };
  const show = page => { view.top = placeOf(page).y - view.height / 2; clampTop(); };
  // Scrolls by the bar: to where a point of it leads.
  const drag = y => { view.top = (y / view.height) * total - view.height / 2; clampTop(); };
  return { canvas, view, layOut, pageAt, placeOf, zoom, fit, resize, draw, scroll, show, drag,
    isBar: x => x > view.width - BAR - 4 };
})();
