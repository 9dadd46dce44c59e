// One crosshair over all charts of a page: what is pointed at in one chart is marked, with its values, in every chart
// that has the same x. It reads the Vega views through the scenegraph that Vega hangs on its SVG elements, draws into a
// layer of its own above the page, and takes no part in what Streamlit or Vega do.
function stepwellHover() {
  if (window.stepwellHovers) return;
  window.stepwellHovers = true;
  const CHARTS = '[data-testid="stVegaLiteChart"], .stepwell-chart';
  const APART = new Set(["band", "mark", "level", "edge"]);
  const MOST = 8; // curves in a box
  const NEAR = 14; // px: further away than this is no point of here
  const layer = document.createElement("div");
  layer.id = "stepwell-hover";
  layer.setAttribute("aria-hidden", "true");
  layer.style.cssText = "position:fixed;inset:0;pointer-events:none;z-index:999980;overflow:hidden;font-size:12px";
  document.body.appendChild(layer);
  const views = new WeakMap();
  const read = new WeakMap();

  function viewOf(chart) {
    const svg = chart.querySelector("svg");
    if (!svg) return null;
    if (views.has(svg)) return views.get(svg);
    for (const g of svg.querySelectorAll("g")) {
      const mark = Array.isArray(g.__data__) ? g.__data__[0] : g.__data__;
      const item = mark && mark.items ? mark.items[0] : mark;
      const context = mark && (mark.context || (item && item.context));
      const view = context && context.dataflow;
      if (view && view.scale && view.data) {
        views.set(svg, view);
        return view;
      }
    }
    return null;
  }

  function signal(view, name) {
    try {
      return view.signal(name);
    } catch {
      return null;
    }
  }

  // curve -> {x, y, ...} in order of x, read once for each table that the view is given
  function curvesOf(view) {
    let rows;
    try {
      rows = view.data("source");
    } catch {
      return [];
    }
    const old = read.get(view);
    if (old && old.rows === rows && old.count === rows.length && old.last === rows[rows.length - 1]) return old.curves;
    const made = new Map();
    for (const row of rows) {
      const x = row.x == null ? NaN : +row.x;
      const y = row.share !== undefined ? row.share : row.y;
      if (APART.has(row.kind) || !isFinite(x) || y == null || !isFinite(y)) continue;
      const name = row.curve ?? row.part;
      if (name == null) continue;
      const key = `${name}\n${row.kind ?? ""}\n${row.share === undefined ? row.part ?? "" : ""}`;
      if (!made.has(key)) made.set(key, { name, kind: row.kind, tone: row.tone, points: [] });
      made.get(key).points.push({ x, y: +y, at: row.share !== undefined ? row.y2 : +y, step: row.step });
    }
    const curves = [...made.values()];
    for (const curve of curves) curve.points.sort((a, b) => a.x - b.x);
    read.set(view, { rows, count: rows.length, last: rows[rows.length - 1], curves });
    return curves;
  }

  function nearest(points, x) {
    let low = 0;
    let high = points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle].x < x) low = middle + 1;
      else high = middle;
    }
    const after = points[low];
    const before = points[low - 1];
    return before && Math.abs(before.x - x) <= Math.abs(after.x - x) ? before : after;
  }

  function plotOf(chart) {
    const ground = chart.querySelector("svg .role-frame path.background");
    return ground && ground.getBoundingClientRect();
  }

  function scaleOf(view, name) {
    try {
      return view.scale(name);
    } catch {
      return null;
    }
  }

  function box(style) {
    const made = document.createElement("div");
    made.style.cssText = `position:absolute;${style}`;
    layer.appendChild(made);
    return made;
  }

  function tone(view, curve) {
    if (curve.tone) return curve.tone;
    const colours = scaleOf(view, "color");
    return colours ? colours(curve.name) : "currentColor";
  }

  function short(y) {
    const size = Math.abs(y);
    if (y === 0) return "0";
    if (size >= 1e4 || size < 1e-3) return y.toPrecision(3).replace(/\.?0+e/, "e");
    return String(+y.toPrecision(4));
  }

  function where(view, x, point) {
    const title = signal(view, "axis");
    const at = title.startsWith("time") ? new Date(x).toISOString().replace("T", " ").slice(0, 19) : short(x);
    return title === "step" ? `step ${x}` : `${title}: ${at}` + (point.step != null ? ` · step ${point.step}` : "");
  }

  // every curve's point nearest to x, as far as one is near; those of the smoothing after those that were logged
  function found(view, x) {
    const across = scaleOf(view, "x");
    const up = scaleOf(view, "y");
    if (!across || !up) return [];
    const hits = [];
    for (const curve of curvesOf(view)) {
      const point = nearest(curve.points, x);
      const left = across(point.x);
      if (Math.abs(left - across(x)) > NEAR) continue;
      const top = up(point.at);
      hits.push({ curve, point, left, top, smooth: curve.kind && !/^(as logged|superseded)$/.test(curve.kind) });
    }
    return hits;
  }

  function draw(chart, view, plot, x, pointed) {
    const across = scaleOf(view, "x");
    const left = across(x);
    if (!(left >= -1 && left <= plot.width + 1)) return;
    const ink = getComputedStyle(chart).color;
    box(`left:${plot.left + left}px;top:${plot.top}px;width:1px;height:${plot.height}px;background:${ink};opacity:.45`);
    const hits = found(view, x);
    const own = hits.filter((hit) => !hit.smooth);
    for (const hit of own.slice(0, 4 * MOST)) {
      if (!(hit.top >= 0 && hit.top <= plot.height)) continue;
      const at = `left:${plot.left + hit.left - 4}px;top:${plot.top + hit.top - 4}px`;
      box(`${at};width:8px;height:8px;border-radius:4px;background:${tone(view, hit.curve)};box-shadow:0 0 0 1.5px #fff8`);
    }
    if (hits.length) (pointed ? full : brief)(view, plot, x, left, own, hits);
  }

  function card(plot, left, wide) {
    const page = getComputedStyle(document.querySelector(".stApp") || document.body);
    const right = plot.left + left + 14 + wide < innerWidth;
    const side = right ? `left:${plot.left + left + 12}px` : `right:${innerWidth - plot.left - left + 12}px`;
    const look = `background:${page.backgroundColor};color:${page.color};font-family:${page.fontFamily}`;
    return `${side};${look};border-radius:6px;box-shadow:0 1px 6px #0005;padding:4px 8px;white-space:nowrap`;
  }

  function line(parent, colour, text, bold) {
    const row = document.createElement("div");
    const swatch = document.createElement("span");
    swatch.style.cssText = `display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:6px;background:${colour}`;
    row.append(swatch, text);
    if (bold) row.style.fontWeight = 600;
    parent.appendChild(row);
  }

  function full(view, plot, x, left, own, hits) {
    const made = box(`${card(plot, left, 240)};top:${Math.max(4, plot.top + 6)}px;max-width:min(420px,80vw)`);
    const head = document.createElement("div");
    head.textContent = where(view, x, (own[0] || hits[0]).point);
    head.style.opacity = 0.75;
    made.appendChild(head);
    const near = [...own, ...hits.filter((hit) => hit.smooth)];
    for (const hit of near.slice(0, MOST)) {
      const kind = hit.curve.kind ? ` · ${hit.curve.kind}` : "";
      const value = hit.point.y === hit.point.at ? String(hit.point.y) : `${short(100 * hit.point.y)} %`;
      line(made, tone(view, hit.curve), `${hit.curve.name}: ${value}${kind}`, !hit.smooth);
    }
    if (near.length > MOST) line(made, "transparent", `and ${near.length - MOST} more`);
  }

  function brief(view, plot, x, left, own) {
    if (!own.length) return;
    const made = box(`${card(plot, left, 90)};top:${plot.top + 4}px;padding:1px 6px;opacity:.92`);
    for (const hit of own.slice(0, 4)) {
      const value = hit.point.y === hit.point.at ? short(hit.point.y) : `${short(100 * hit.point.y)} %`;
      line(made, tone(view, hit.curve), value);
    }
  }

  let asked = null;
  function show() {
    const event = asked;
    asked = null;
    layer.replaceChildren();
    const chart = event && event.target instanceof Element && event.target.closest(CHARTS);
    const view = chart && viewOf(chart);
    const plot = view && plotOf(chart);
    const across = plot && scaleOf(view, "x");
    const axis = view && signal(view, "axis"); // what is on x; a chart that does not say so shows its own tips
    if (!across || !across.invert || axis == null) return;
    const [left, top] = [event.clientX - plot.left, event.clientY - plot.top];
    if (left < 0 || left > plot.width || top < 0 || top > plot.height) return;
    const wanted = +across.invert(left);
    const near = curvesOf(view).map((curve) => nearest(curve.points, wanted).x);
    if (!near.length) return;
    const x = near.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
    for (const other of document.querySelectorAll(CHARTS)) {
      const its = viewOf(other);
      if (!its || (other !== chart && signal(its, "axis") !== axis)) continue;
      const place = plotOf(other);
      if (place && place.bottom > 0 && place.top < innerHeight) draw(other, its, place, x, other === chart);
    }
  }

  function ask(event) {
    if (asked === null) requestAnimationFrame(show);
    asked = event;
  }
  function hide() {
    asked = null;
    layer.replaceChildren();
  }
  document.addEventListener("pointermove", ask, { passive: true, capture: true });
  document.addEventListener("pointerdown", ask, { passive: true, capture: true });
  document.addEventListener("scroll", hide, { passive: true, capture: true });
  document.addEventListener("wheel", hide, { passive: true, capture: true });
  document.addEventListener("pointerleave", hide);
}
