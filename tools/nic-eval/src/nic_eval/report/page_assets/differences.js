// The table of Bjontegaard differences against one anchor, sorted by any column.

class DifferenceTable {
  constructor(section, differences, curves) {
    Object.assign(this, { section, differences, curves });
    this.table = section.querySelector("table");
    this.sort = { column: 1, down: false };
    const anchors = [...new Set(differences.map(({ anchor }) => anchor))];
    section.hidden = !anchors.length;
    if (!anchors.length) return;
    this.anchor = section.querySelector("select");
    setOptions(this.anchor, anchors.map((name) => [name, name]), anchors[0]);
    this.anchor.addEventListener("change", () => this.draw());
    this.draw();
  }

  // One row for each curve. cells: its name, then rate and gain for each metric; null where curves do not overlap.
  // doubt: why the row's figures cannot be compared, if so.
  rows(metrics, shown) {
    return [...new Set(shown.map(({ curve }) => curve))].map((curve) => {
      const found = metrics.map((metric) => shown.find((item) => item.curve === curve && item.metric === metric));
      return { curve, doubt: found.find((item) => item?.doubt)?.doubt ?? "", cells: [curve, ...found.flatMap((item) => [item?.rate ?? null, item?.gain ?? null])] };
    });
  }

  draw() {
    const shown = this.differences.filter(({ anchor }) => anchor === this.anchor.value);
    const metrics = RANK.filter((metric) => shown.some((item) => item.metric === metric));
    metrics.push(...new Set(shown.map(({ metric }) => metric).filter((metric) => !RANK.includes(metric))));
    const head = ["Curve", ...metrics.flatMap((key) => [`BD-rate, ${metricOf(key).name}`, `BD-${metricTitle(key)}`])];
    this.sort.column = Math.min(this.sort.column, head.length - 1);
    const rows = this.rows(metrics, shown).sort((one, other) => this.compare(one, other));
    this.table.replaceChildren(
      element("thead", {}, element("tr", {}, ...head.map((text, column) => this.headCell(text, column)))),
      element("tbody", {}, ...rows.map((row) => this.row(row, head, metrics))),
    );
  }

  compare(one, other) {
    if (!one.doubt !== !other.doubt) return one.doubt ? 1 : -1; // what cannot be compared stays apart
    const { column, down } = this.sort;
    const [a, b] = [one.cells[column], other.cells[column]];
    if (a === null || b === null) return (a === null) - (b === null); // unknown ones stay at the end
    const order = column ? a - b : a.localeCompare(b);
    return down ? -order : order;
  }

  row({ cells, doubt }, head, metrics) {
    const made = cells.map((value, column) => this.cell(value, column, metrics[(column - 1) >> 1], doubt));
    made.forEach((cell, column) => column && cell.setAttribute("data-head", head[column])); // narrow screens show it
    return element("tr", { class: doubt ? "doubtful" : null }, ...made);
  }

  headCell(text, column) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => {
      this.sort = { column, down: this.sort.column === column && !this.sort.down };
      this.draw();
      this.table.querySelectorAll("th button")[column].focus();
    });
    const order = this.sort.column === column ? (this.sort.down ? "descending" : "ascending") : null;
    return element("th", { scope: "col", "aria-sort": order }, button);
  }

  cell(value, column, metric, doubt) {
    if (!column) {
      const place = this.curves.findIndex(({ name }) => name === value);
      const swatch = place < 0 ? [] : [element("span", { class: "swatch", style: this.curves[place].colour })];
      const remark = doubt ? [element("small", {}, `not comparable: ${doubt}`)] : [];
      return element("td", {}, ...swatch, value, ...remark);
    }
    if (value === null) return element("td", { title: "The curves do not overlap" }, "–");
    const isRate = column % 2 === 1;
    const good = value < 0 === (isRate || !metricOf(metric).higher);
    const sign = value > 0 ? "+" : "";
    const text = isRate ? `${sign}${fixed(value, 1)} %` : `${sign}${fixed(value, 2)}`;
    return element("td", { class: value === 0 || doubt ? "" : good ? "better" : "worse" }, text);
  }
}
