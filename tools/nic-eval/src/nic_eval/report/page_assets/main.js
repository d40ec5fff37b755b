// Puts the parts of the page together.

const data = JSON.parse(byId("data").textContent);
data.curves.forEach((curve, index) => Object.assign(curve, { colour: colourOf(index) }));

const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
const nameTheme = () => (byId("theme").textContent = dark() ? "Light" : "Dark");
byId("theme").addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  nameTheme();
});
system.addEventListener("change", nameTheme);
nameTheme();

const viewer = new Viewer(byId("viewer"), data.curves, data.pictures);
new DifferenceTable(byId("differences"), data.differences, data.curves);

const details = byId("details");
details.textContent = "Select a point of the chart to see its figures.";
const places = { root: byId("chart"), legend: byId("legend"), outside: byId("outside") };
const chart = new Chart(places, data, (curveIndex, pointIndex) => {
  const curve = data.curves[curveIndex];
  const point = curve.points[pointIndex];
  const rateOn = (name) => point.measurements.find(({ picture }) => picture === name)?.bpp ?? point.bpp;
  showDetails(details, curve, point, data.count, (name) => {
    viewer.showCurve(curveIndex, rateOn(name), name);
    byId("viewer").scrollIntoView();
  });
  if (viewer.entries.length) viewer.showCurve(curveIndex, rateOn(viewer.entry.picture.name));
});

const metrics = metricsOf(data.curves.flatMap(({ points }) => points));
setOptions(byId("metric"), metrics.map((key) => [key, metricTitle(key)]));
byId("metric").addEventListener("change", ({ target }) => {
  chart.metric = target.value;
  chart.draw();
});
setOptions(byId("over"), [["", "rate"], ...metrics.map((key) => [key, metricTitle(key)])]);
byId("over").addEventListener("change", ({ target }) => {
  chart.over = target.value || null;
  for (const id of ["extent", "rate-axis"]) byId(id).disabled = chart.over !== null; // there is no rate to choose
  chart.draw();
});
byId("rate-axis").addEventListener("change", ({ target }) => {
  chart.logarithmic = target.value === "log";
  chart.draw();
});
byId("extent").addEventListener("change", ({ target }) => {
  chart.everything = target.value === "all";
  chart.draw();
});
chart.metric = metrics[0] ?? "psnr";
chart.draw();
