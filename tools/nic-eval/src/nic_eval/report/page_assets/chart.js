// The chart, of one metric over rate or over another: drawn anew on every change of size, metric, axis or legend.

const MARGIN = { top: 28, right: 16, bottom: 46, left: 58 };
const REACH = 26; // pixels from which the pointer finds a point

class Chart {
  // curves, views, sweeps: as in the page's data. outside: where points are named that the chart leaves out.
  // onSelect(curve, point): called with indices when a reader selects a point.
  constructor({ root, legend, outside }, { curves, views, sweeps }, onSelect) {
    Object.assign(this, { root, outside, curves, views, sweeps, onSelect });
    this.metric = "psnr";
    this.over = null; // the metric that is the other axis; null for the rate
    this.logarithmic = false;
    this.everything = false; // all points, instead of the rates that can be compared
    this.hidden = new Set();
    this.selected = null; // the key of a point, as are the next two
    this.focused = null;
    this.hovered = null;
    this.tooltip = element("div", { class: "tooltip", role: "tooltip", hidden: "" });
    this.buildLegend(legend);
    new ResizeObserver(() => root.clientWidth !== this.width && this.draw()).observe(root);
  }

  buildLegend(legend) {
    this.curves.forEach((curve, index) => {
      const dashes = curve.kind === "published" ? "5 3" : "none";
      const fillColour = curve.kind === "published" ? "var(--panel)" : "currentColor";
      const swatch = shape(
        "svg",
        { width: 30, height: 14, viewBox: "-15 -7 30 14", style: `${colourOf(index)}; color: var(--colour)`, "aria-hidden": "true" },
        shape("path", { d: "M-15 0H15", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": dashes }),
        shape("path", { d: markerOf(index), fill: fillColour, stroke: "currentColor" }),
      );
      const button = element("button", { type: "button", "aria-pressed": "true", title: curve.description || curve.source }, swatch, curve.name);
      button.addEventListener("click", () => this.toggle(index, button));
      button.addEventListener("pointerenter", () => this.highlight(index));
      button.addEventListener("pointerleave", () => this.highlight(null));
      legend.append(button);
    });
  }

  toggle(curve, button) {
    if (!this.hidden.delete(curve)) this.hidden.add(curve);
    button.setAttribute("aria-pressed", String(!this.hidden.has(curve)));
    this.draw();
  }

  highlight(curve) {
    this.root.classList.toggle("fading", curve !== null && !this.hidden.has(curve));
    for (const group of this.root.querySelectorAll(".curve")) group.classList.toggle("lit", Number(group.dataset.curve) === curve);
  }

  // The axes' first extent, which the report's plots have too; null where the chart shows all points.
  get view() {
    return this.everything || this.over ? null : (this.views[this.metric] ?? null);
  }

  // The metrics of the axes.
  get shownMetrics() {
    return this.over ? [this.metric, this.over] : [this.metric];
  }

  // Points of the curves that are switched on, in the order of curves and rates.
  pointsOn() {
    return this.curves.flatMap((curve, curveIndex) =>
      curve.points
        .map((point, pointIndex) => ({
          key: `${curveIndex}.${pointIndex}`, curve: curveIndex, point: pointIndex, record: point,
          rate: point.bpp, value: plottedValue(point.metrics, this.metric), place: this.over ? plottedValue(point.metrics, this.over) : point.bpp,
        }))
        .filter(({ rate, value, place }) => !this.hidden.has(curveIndex) && value !== null && place !== null && rate > 0),
    );
  }

  draw() {
    this.width = this.root.clientWidth;
    if (!this.width) return; // not laid out yet: it is drawn when it is
    this.height = Math.round(Math.min(520, Math.max(300, this.width * 0.5)));
    const all = this.pointsOn();
    const [inside, strays] = [all.filter((item) => this.holds(item)), all.filter((item) => this.isStray(item))];
    this.points = all.filter((item) => inside.includes(item) || strays.includes(item));
    const hadFocus = this.root.contains(document.activeElement);
    this.tooltip.hidden = true;
    this.nameOutside(strays, all.length - this.points.length);
    if (!this.points.length) {
      this.root.replaceChildren(element("p", { class: "empty" }, "No points to show."));
      return;
    }
    this.setScales(inside.length ? inside : this.points);
    const [right, bottom] = [this.width - MARGIN.right, this.height - MARGIN.bottom];
    for (const item of all) Object.assign(item, { x: this.x(item.place), y: this.y(item.value) });
    const lines = all.map((item) => ({ ...item }));
    for (const item of strays) { // at the border
      Object.assign(item, { x: Math.min(Math.max(item.x, MARGIN.left), right), y: Math.min(Math.max(item.y, MARGIN.top), bottom) });
    }
    const label = `${metricTitle(this.metric)} against ${this.over ? metricTitle(this.over) : "rate in bits per pixel"}. Arrow keys move among points, Enter selects.`;
    this.svg = shape("svg", { height: this.height, viewBox: `0 0 ${this.width} ${this.height}`, role: "group", "aria-label": label });
    this.svg.append(
      shape("clipPath", { id: "plot" }, shape("rect", { x: MARGIN.left, y: MARGIN.top - 4, width: right - MARGIN.left + 4, height: bottom - MARGIN.top + 8 })),
    );
    this.drawAxes();
    if (this.over) this.drawSweeps(lines);
    for (const kind of ["published", "baseline", "codec"]) { // codecs lie on top
      this.curves.forEach((curve, index) => curve.kind === kind && this.drawCurve(index, lines));
    }
    this.svg.addEventListener("pointermove", (event) => this.hover(this.nearest(event)));
    this.svg.addEventListener("pointerleave", () => this.hover(null));
    this.svg.addEventListener("click", (event) => this.choose(this.nearest(event)));
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
    this.root.replaceChildren(this.svg, this.tooltip);
    if (hadFocus) this.node(this.focused)?.focus();
  }

  holds({ rate, value }) {
    if (!this.view) return true;
    const { rate: [, last], value: [low, high] } = this.view;
    return rate >= this.firstRate && rate <= last && low <= value && value <= high;
  }

  // Where the rate axis begins in the first extent; a logarithmic one has no zero.
  get firstRate() {
    return this.logarithmic ? this.view.least / 1.15 : 0;
  }

  isStray({ curve, point }) {
    return this.view?.strays.some(([one, other]) => one === curve && other === point) ?? false;
  }

  // What the chart does not show, in words. beyond: how many points are left out for their rate.
  nameOutside(strays, beyond) {
    const metric = metricOf(this.metric);
    const texts = strays.map(({ curve, record }) =>
      `Off the axes, at the border: ${this.curves[curve].name}, ${record.label} (${formatRate(record.bpp)}, ${metric.name} ${formatMetric(record.metrics, this.metric)}).`,
    );
    if (beyond) texts.push(`${beyond === 1 ? "1 point lies" : `${beyond} points lie`} beyond the rates that are compared: choose “all points” to see ${beyond === 1 ? "it" : "them"}.`);
    for (const key of this.shownMetrics) {
      const lacking = this.curves.filter(({ points }) => points.every(({ metrics }) => plottedValue(metrics, key) === null));
      if (lacking.length) texts.push(`Without ${metricOf(key).name}: ${lacking.map(({ name }) => name).join(", ")}.`);
    }
    if (this.over && this.sweeps.length) texts.push(`Lines: ${this.sweeps.map(({ name }) => name).join("; ")}.`);
    this.outside.textContent = texts.join(" ");
  }

  setScales(points) {
    const places = points.map(({ place }) => place);
    const values = points.map(({ value }) => value);
    const [low, high] = this.view?.value ?? this.around(values);
    const logarithmic = this.logarithmic && !this.over;
    const [first, last] = this.over ? this.around(places) : this.rates(places);
    const way = logarithmic ? Math.log : (place) => place;
    const [plotWidth, plotHeight] = [this.width - MARGIN.left - MARGIN.right, this.height - MARGIN.top - MARGIN.bottom];
    this.x = (place) => MARGIN.left + (plotWidth * (way(place) - way(first))) / (way(last) - way(first));
    this.y = (value) => MARGIN.top + plotHeight * (1 - (value - low) / (high - low));
    this.xTicks = logarithmic ? logTicks(first, last) : linearTicks(first, last, Math.max(3, plotWidth / 90));
    this.yTicks = linearTicks(low, high, Math.max(3, plotHeight / 50));
  }

  // The ends of an axis that holds these values; a single one lies in the middle.
  around(values) {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const room = (most - least) * 0.06 || Math.abs(most) * 0.05 || 1;
    return [least - room, most + room];
  }

  // The ends of the rate axis.
  rates(rates) {
    const first = this.view ? this.firstRate : this.logarithmic ? Math.min(...rates) / 1.15 : 0;
    return [first, this.view?.rate[1] ?? Math.max(...rates) * (this.logarithmic ? 1.15 : 1.06)];
  }

  drawAxes() {
    const [right, bottom] = [this.width - MARGIN.right, this.height - MARGIN.bottom];
    const lines = shape("g", { "aria-hidden": "true" });
    for (const { at, text } of this.xTicks) {
      lines.append(shape("line", { class: "grid", x1: this.x(at), x2: this.x(at), y1: MARGIN.top, y2: bottom }));
      lines.append(shape("text", { x: this.x(at), y: bottom + 18, "text-anchor": "middle" }, text));
    }
    for (const { at, text } of this.yTicks) {
      lines.append(shape("line", { class: "grid", x1: MARGIN.left, x2: right, y1: this.y(at), y2: this.y(at) }));
      lines.append(shape("text", { x: MARGIN.left - 10, y: this.y(at) + 4, "text-anchor": "end" }, text));
    }
    const better = (key) => (metricOf(key).higher ? "higher is better" : "lower is better");
    const below = this.over ? `${metricTitle(this.over)}, ${better(this.over)}` : "Rate (bits per pixel)";
    lines.append(
      shape("path", { class: "axis", fill: "none", d: `M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}` }),
      shape("text", { x: 4, y: 14 }, shape("tspan", { class: "name" }, metricTitle(this.metric)), shape("tspan", { dx: 8 }, better(this.metric))),
      shape("text", { class: "name", x: right, y: bottom + 38, "text-anchor": "end" }, below),
    );
    this.svg.append(lines);
  }

  // The lines of one metric over another that lead from curve to curve.
  drawSweeps(lines) {
    for (const { name, points } of this.sweeps) {
      const ends = points.map(([curve, point]) => lines.find((item) => item.curve === curve && item.point === point)).filter(Boolean);
      const line = ends.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
      if (ends.length > 1) this.svg.append(shape("path", { class: "sweep", d: `M${line}` }, shape("title", {}, name)));
    }
  }

  // Whether a curve's own points are joined: over another metric, those of a sweep are not.
  isJoined(index) {
    return !this.over || !this.sweeps.some(({ points }) => points.some(([curve]) => curve === index));
  }

  // lines: all points, also those outside, which lines lead to.
  drawCurve(index, lines) {
    const points = this.points.filter(({ curve }) => curve === index);
    const ends = lines.filter(({ curve }) => curve === index);
    if (!ends.length) return;
    const { kind, name } = this.curves[index];
    const line = ends.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const group = shape("g", { class: `curve ${kind}`, "data-curve": index, style: colourOf(index) });
    if (this.isJoined(index)) group.append(shape("path", { class: "line", "clip-path": "url(#plot)", d: `M${line}` }));
    for (const item of points) {
      const figures = [formatRate(item.rate), ...this.shownMetrics.map((key) => `${metricOf(key).name} ${formatMetric(item.record.metrics, key)}`)].join(", ");
      group.append(
        shape(
          "g",
          {
            class: this.isStray(item) ? "point stray" : "point", role: "button", "data-key": item.key, transform: `translate(${item.x.toFixed(1)} ${item.y.toFixed(1)})`,
            tabindex: item.key === this.tabStop() ? 0 : -1, "aria-pressed": String(item.key === this.selected),
            "aria-label": `${name}, ${item.record.label}: ${figures}`,
          },
          shape("circle", { class: "ring", r: 9 }),
          shape("path", { class: "marker", d: markerOf(index) }),
        ),
      );
    }
    group.addEventListener("focusin", (event) => this.onFocus(event.target.closest(".point").dataset.key));
    group.addEventListener("focusout", () => this.hover(null));
    this.svg.append(group);
  }

  // The one point that the Tab key reaches; arrow keys go on from it.
  tabStop() {
    const keys = this.points.map(({ key }) => key);
    return [this.focused, this.selected].find((key) => keys.includes(key)) ?? keys[0];
  }

  node(key) {
    return this.root.querySelector(`[data-key="${key}"]`);
  }

  nearest(event) {
    const box = this.svg.getBoundingClientRect();
    const distance = ({ x, y }) => Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
    const best = this.points.reduce((one, other) => (distance(other) < distance(one) ? other : one));
    return distance(best) <= REACH ? best : null;
  }

  hover(item) {
    this.node(this.hovered)?.classList.remove("hovered");
    this.hovered = item?.key ?? null;
    this.svg.style.cursor = item ? "pointer" : "";
    this.tooltip.hidden = !item;
    if (!item) return;
    this.node(item.key).classList.add("hovered");
    this.tooltip.replaceChildren(...this.tooltipLines(item));
    const { offsetWidth: width, offsetHeight: height } = this.tooltip;
    const left = item.x + 16 + width <= this.width ? item.x + 16 : Math.max(0, item.x - 16 - width);
    this.tooltip.style.left = `${left}px`;
    this.tooltip.style.top = `${Math.max(0, Math.min(item.y - height / 2, this.height - height))}px`;
  }

  tooltipLines({ curve, record }) {
    const lines = [
      element("strong", {}, `${this.curves[curve].name}, ${record.label}`),
      [formatRate(record.bpp), ...this.shownMetrics.map((key) => `${metricOf(key).name} ${formatMetric(record.metrics, key)}`)].join(" · "),
    ];
    if (record.encode_s !== null) {
      lines.push(element("span", {}, `encodes in ${formatSeconds(record.encode_s)}, decodes in ${formatSeconds(record.decode_s)}`));
    }
    if (this.curves[curve].kind === "published") lines.push(element("span", {}, "published, not measured here"));
    return lines;
  }

  onFocus(key) {
    this.node(this.tabStop())?.setAttribute("tabindex", -1);
    this.focused = key;
    this.node(key).setAttribute("tabindex", 0);
    if (this.node(key).matches(":focus-visible")) this.hover(this.points.find((item) => item.key === key));
  }

  onKey(event) {
    const here = this.points.find(({ key }) => key === event.target.dataset?.key);
    if (!here) return;
    const moves = {
      ArrowLeft: () => this.along(here, -1),
      ArrowRight: () => this.along(here, 1),
      ArrowUp: () => this.across(here, -1),
      ArrowDown: () => this.across(here, 1),
    };
    if (event.key in moves) this.node(moves[event.key]().key).focus();
    else if (event.key === "Enter" || event.key === " ") this.choose(here);
    else return;
    event.preventDefault();
  }

  // The next point of the same curve.
  along({ curve, key }, step) {
    const points = this.points.filter((item) => item.curve === curve);
    const place = points.findIndex((item) => item.key === key) + step;
    return points[Math.min(Math.max(place, 0), points.length - 1)];
  }

  // The point of the nearest rate on the curve above (which has the higher value) or below.
  across(here, step) {
    const closest = this.curves
      .map((_, curve) => this.points.filter((item) => item.curve === curve))
      .filter((points) => points.length)
      .map((points) => points.reduce((one, other) => (Math.abs(other.x - here.x) < Math.abs(one.x - here.x) ? other : one)))
      .map((item) => (item.curve === here.curve ? here : item))
      .sort((one, other) => one.y - other.y);
    const place = closest.indexOf(here) + step;
    return closest[Math.min(Math.max(place, 0), closest.length - 1)];
  }

  choose(item) {
    if (!item) return;
    this.node(this.selected)?.setAttribute("aria-pressed", "false");
    this.selected = item.key;
    this.node(item.key).setAttribute("aria-pressed", "true");
    this.onSelect(item.curve, item.point);
  }
}
