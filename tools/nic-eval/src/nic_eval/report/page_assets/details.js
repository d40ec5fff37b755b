// What is known of the selected point: means over the pictures, and each picture's own figures.

const RANK = ["psnr", "ms-ssim", "lpips", "dists", "clip", "fid", "kid", "fid-whole", "kid-whole", "lpips-unit", "fd"];

// Names of all metrics in the records, in the field's usual order.
const metricsOf = (records) => {
  const keys = [...new Set(records.flatMap(({ metrics }) => Object.keys(metrics).filter((key) => metrics[key] !== null)))];
  const place = (key) => (RANK.includes(key) ? RANK.indexOf(key) : RANK.length);
  return keys.sort((one, other) => place(one) - place(other));
};

const figure = (name, value, remark) => element("div", {}, element("dt", {}, name), element("dd", {}, value, ...(remark ? [element("small", {}, remark)] : [])));

const metricFigure = (metrics, key) => {
  const [value, remark] = formatMetric(metrics, key).split(/ (?=\()/);
  return figure(metricOf(key).name, value, remark?.slice(1, -1));
};

// count: of all pictures, of which the page may list fewer. onPicture(name): called when a reader picks a row.
const showDetails = (root, curve, point, count, onPicture) => {
  const { measurements } = point;
  const about = [curve.description, curve.source && `from ${curve.source}`].filter(Boolean).join(" · ");
  const figures = [figure("Rate", formatRate(point.bpp)), ...metricsOf([point]).map((key) => metricFigure(point.metrics, key))];
  if (measurements.length) {
    figures.push(
      figure("File", formatBytes(point.bytes), count > 1 ? "mean" : ""),
      figure("Encoding", formatSeconds(point.encode_s), workOf(curve, "encode")),
      figure("Decoding", formatSeconds(point.decode_s), workOf(curve, "decode")),
      figure("Memory", formatMemory(point.peak_memory), "peak"),
    );
  }
  root.classList.add("chosen");
  root.replaceChildren(
    element("h3", {}, element("span", { class: "swatch", style: curve.colour }), `${curve.name}, ${point.label}`),
    ...(about ? [element("p", { class: "about" }, about)] : []),
    element("dl", { class: "figures" }, ...figures),
  );
  if (!measurements.length) {
    root.append(element("p", { class: "about" }, "Published figures; nothing was measured here."));
    return;
  }
  if (curve.kind === "codec") root.append(element("p", { class: "hint" }, "Times are without start-up."));
  if (count > 1) root.append(pictureTable(measurements, onPicture));
  if (count > measurements.length) root.append(element("p", { class: "hint" }, `${measurements.length} of ${count} pictures; results.csv has all.`));
};

const workOf = (curve, direction) => (curve.gmacs[direction] ? `${curve.gmacs[direction].toPrecision(3)} GMACs` : "");

const pictureTable = (measurements, onPicture) => {
  const metrics = metricsOf(measurements);
  const head = ["Picture", "Size", "bpp", ...metrics.map(metricTitle), "Encoding", "Decoding", "Memory"];
  const rows = measurements.map((item) => {
    const name = item.decoded === null ? item.picture : element("button", { type: "button", title: "Show in the comparison below" }, item.picture);
    if (item.decoded !== null) name.addEventListener("click", () => onPicture(item.picture));
    const cells = [formatBytes(item.bytes), item.bpp.toFixed(3), ...metrics.map((key) => plainMetric(item.metrics, key))];
    cells.push(formatSeconds(item.encode_s), formatSeconds(item.decode_s), formatMemory(item.peak_memory));
    return element("tr", {}, ...[name, ...cells].map((cell) => element("td", {}, cell)));
  });
  const table = element(
    "table", {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows),
  );
  return element("div", { class: "scroll", role: "region", "aria-label": "Figures of each picture", tabindex: 0 }, table);
};

// As on the axis, without the unit, which the column's head has.
const plainMetric = (metrics, key) => {
  const value = plottedValue(metrics, key);
  return value === null ? "–" : fixed(value, metricOf(key).plotted ? 2 : metricOf(key).digits);
};
