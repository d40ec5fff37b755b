// Pictures: two versions of one picture with a border to drag between them, enlarged as far as wanted.

const HIGHEST_ZOOM = 16;
const PIXELATED = 2; // above this zoom pixels are shown as squares
const ORIGINAL = "original";

class Viewer {
  // curves and pictures: as in the page's data; those without stored pictures are left out.
  constructor(section, curves, pictures) {
    Object.assign(this, { section, curves });
    this.entries = pictures.map((picture) => this.entryOf(picture)).filter(({ picture, versions }) => picture.file || versions.size);
    section.hidden = !this.entries.length;
    if (!this.entries.length) return;
    this.stage = section.querySelector(".stage");
    this.handle = section.querySelector(".handle");
    this.images = Object.fromEntries([...this.stage.querySelectorAll(".layer")].map((layer) => [layer.dataset.side, layer.querySelector("img")]));
    this.split = 0.5;
    this.loading = 0;
    this.loader = new PictureLoader();
    this.previewed = false;
    this.place = { zoom: 1, x: 0, y: 0 };
    byId("picture").parentElement.hidden = this.entries.length < 2;
    setOptions(byId("picture"), this.entries.map(({ picture }, index) => [index, picture.name]), 0);
    this.choosePicture();
    this.listen();
  }

  // A picture and its stored versions: measurements by curve, ordered by rate.
  entryOf(picture) {
    const versions = new Map();
    this.curves.forEach((curve, index) => {
      const found = curve.points.flatMap(({ label, measurements }) =>
        measurements.filter((item) => item.picture === picture.name && item.decoded !== null).map((item) => ({ ...item, label })),
      );
      if (found.length) versions.set(index, found.sort((one, other) => one.bpp - other.bpp));
    });
    return { picture, versions };
  }

  get entry() {
    return this.entries[byId("picture").value];
  }

  // The rates to choose from: those of the curve with most versions; other curves show what is nearest.
  rates() {
    const most = [...this.entry.versions.values()].reduce((one, other) => (other.length > one.length ? other : one), []);
    return most.map(({ bpp }) => bpp);
  }

  // Fill the choosers for the picture, keeping what was chosen where the picture has it.
  choosePicture() {
    const { picture, versions } = this.entry;
    const rateIndex = byId("rate").selectedIndex;
    const rates = this.rates();
    setOptions(byId("rate"), rates.map((rate) => [rate, `about ${rate.toFixed(2)} bpp`]));
    byId("rate").parentElement.hidden = rates.length < 2;
    const items = [...versions.keys()].map((index) => [index, this.curves[index].name]);
    if (picture.file) items.unshift([ORIGINAL, "Original"]);
    const preset = this.preset();
    for (const side of ["left", "right"]) {
      const chosen = byId(side).value || preset[side];
      setOptions(byId(side), items, chosen);
    }
    byId("rate").selectedIndex = rateIndex < 0 ? this.bestMatch(rates) : Math.min(rateIndex, rates.length - 1);
    byId("show-original").hidden = !picture.file;
    this.show(true);
  }

  // At first a codec is on the right, and a baseline, if there is one, on the left.
  preset() {
    const ofKind = (kind) => [...this.entry.versions.keys()].find((index) => this.curves[index].kind === kind);
    const right = ofKind("codec") ?? ofKind("baseline") ?? ORIGINAL;
    const left = ofKind("baseline") ?? ORIGINAL;
    return { left: left === right ? ORIGINAL : left, right };
  }

  // The index of the rate at which left and right are nearest to each other.
  bestMatch(rates) {
    const apart = (rate) => {
      const [left, right] = ["left", "right"].map((side) => this.versionOf(side, rate)?.bpp);
      return left && right ? Math.abs(Math.log(left / right)) : 0;
    };
    return rates.reduce((best, rate, index) => (apart(rate) < apart(rates[best]) ? index : best), 0);
  }

  // Show a curve on the right, at a rate, of a picture if given, as a reader asked for in the chart or its table.
  showCurve(curve, bpp, name = this.entry?.picture.name) {
    const place = this.entries.findIndex(({ picture, versions }) => picture.name === name && versions.has(curve));
    if (place < 0) return;
    byId("picture").value = place;
    this.choosePicture();
    if (byId("left").value === String(curve)) byId("left").value = byId("right").value;
    byId("right").value = curve;
    const rates = this.rates();
    const off = (rate) => Math.abs(Math.log(rate / bpp));
    byId("rate").selectedIndex = rates.reduce((best, rate, index) => (off(rate) < off(rates[best]) ? index : best), 0);
    this.show(false);
  }

  // The version that a side shows: a measurement, or null for the original.
  versionOf(side, rate = Number(byId("rate").value)) {
    const choice = byId(side).value;
    if (choice === ORIGINAL || choice === "") return null;
    return this.entry.versions.get(Number(choice)).reduce((one, other) => (Math.abs(other.bpp - rate) < Math.abs(one.bpp - rate) ? other : one));
  }

  async show(reset) {
    const loading = ++this.loading;
    const { picture } = this.entry;
    const versions = { left: this.versionOf("left"), right: this.versionOf("right"), original: null };
    const files = Object.entries(versions).map(([side, version]) => [side, version ? version.decoded : picture.file]).filter(([, file]) => file);
    for (const [side] of files) this.images[side].alt = `${picture.name}, ${versions[side] ? this.nameOf(side) : "original"}`;
    await Promise.allSettled(files.map(([side, file]) => this.loader.showBlock(this.images[side], file)));
    if (loading !== this.loading) return; // another choice was made meanwhile
    this.layOut(reset);
    this.showCaptions(versions);
    const exact = await Promise.all(files.map(([, file]) => this.loader.loadExact(file)));
    if (loading !== this.loading) return;
    files.forEach(([side, file], index) => exact[index] && this.loader.showExact(this.images[side], file));
    this.previewed = !exact.every(Boolean);
    this.showCaptions(versions);
  }

  nameOf(side) {
    const choice = byId(side).value;
    return choice === ORIGINAL ? "Original" : this.curves[Number(choice)].name;
  }

  showCaptions({ left, right }) {
    const { picture } = this.entry;
    const { naturalWidth: width, naturalHeight: height } = this.images.right;
    const size = `${picture.width} × ${picture.height}`;
    const cut = width * height < picture.width * picture.height ? `the middle ${width} × ${height} of ${size}` : size;
    for (const [side, version] of [["left", left], ["right", right]]) {
      const name = version ? `${this.nameOf(side)}, ${version.label}` : "Original";
      const keys = version ? metricsOf([version]).slice(0, 2) : [];
      const figures = version
        ? [formatRate(version.bpp), ...keys.map((key) => `${metricOf(key).name} ${formatMetric(version.metrics, key)}`), formatBytes(version.bytes)]
        : [cut];
      const caption = this.section.querySelector(`.captions [data-side="${side}"]`);
      caption.replaceChildren(element("strong", {}, name), element("span", {}, figures.join(" · ")));
    }
    const remarks = [];
    if (left && right && Math.max(left.bpp / right.bpp, right.bpp / left.bpp) > 1.1) {
      const [more, less] = left.bpp > right.bpp ? ["left", "right"] : ["right", "left"];
      const percent = Math.round(100 * (Math.max(left.bpp, right.bpp) / Math.min(left.bpp, right.bpp) - 1));
      remarks.push(`No closer match was kept: the ${more} takes ${percent} % more bits than the ${less}.`);
    }
    if (this.previewed) remarks.push("Shown are previews: the exact pictures are not beside this page, in its folder pictures/.");
    byId("show-difference").disabled = this.previewed;
    if (cut !== size) remarks.push(`Shown is ${cut}; figures are of the whole.`);
    byId("match").textContent = remarks.join(" ");
    this.showSplit();
  }

  // The stage takes the picture's own size where that fits, or the largest whole multiple; else the picture shrinks.
  layOut(reset) {
    const { naturalWidth: width, naturalHeight: height } = this.images.right;
    if (!width) return;
    const fit = Math.min(this.section.querySelector(".frame").clientWidth / width, Math.max(260, 0.72 * innerHeight) / height);
    this.whole = fit < 1 ? fit : Math.min(Math.floor(fit), HIGHEST_ZOOM);
    this.size = { width, height };
    this.stage.style.width = `${width * this.whole}px`;
    this.stage.style.height = `${height * this.whole}px`;
    if (reset || this.place.zoom <= this.whole) this.place = { zoom: this.whole, x: 0, y: 0 };
    this.showPlace();
  }

  get zoomed() {
    return this.place.zoom > this.whole * 1.001;
  }

  // Zoom by a factor; the point at (x, y) of the stage stays where it is, the middle if not given.
  zoomBy(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const zoom = Math.min(Math.max(this.place.zoom * factor, this.whole), Math.max(HIGHEST_ZOOM, this.whole));
    const ratio = zoom / this.place.zoom;
    this.place = { zoom, x: x - (x - this.place.x) * ratio, y: y - (y - this.place.y) * ratio };
    this.showPlace();
  }

  // The next step of the buttons: whole multiples from 100 % on.
  zoomStep(up) {
    const steps = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16].filter((step) => step > this.whole);
    steps.unshift(this.whole);
    const { zoom } = this.place;
    const next = up ? steps.find((step) => step > zoom * 1.01) : steps.filter((step) => step < zoom * 0.99).pop();
    if (next) this.zoomBy(next / zoom);
  }

  panBy(x, y) {
    this.place.x += x;
    this.place.y += y;
    this.showPlace();
  }

  showPlace() {
    const { zoom } = this.place;
    const [width, height] = [this.size.width * zoom, this.size.height * zoom];
    this.place.x = Math.min(0, Math.max(this.stage.clientWidth - width, this.place.x));
    this.place.y = Math.min(0, Math.max(this.stage.clientHeight - height, this.place.y));
    for (const { style } of Object.values(this.images)) {
      style.width = `${width}px`;
      style.height = `${height}px`;
      style.transform = `translate(${this.place.x}px, ${this.place.y}px)`;
    }
    this.stage.classList.toggle("zoomed", this.zoomed);
    this.stage.classList.toggle("pixels", zoom > PIXELATED);
    byId("zoom-value").textContent = `${Math.round(100 * zoom)} %`;
    byId("zoom-out").disabled = byId("zoom-reset").disabled = !this.zoomed;
  }

  moveSplit(split) {
    this.split = Math.min(Math.max(split, 0), 1);
    this.showSplit();
  }

  showSplit() {
    const percent = Math.round(100 * this.split);
    this.stage.style.setProperty("--split", `${100 * this.split}%`);
    this.handle.setAttribute("aria-valuenow", percent);
    this.handle.setAttribute("aria-valuetext", `${percent} % ${this.nameOf("left")}, ${100 - percent} % ${this.nameOf("right")}`);
  }

  // What left and right differ in, four times as bright.
  showDifference(on) {
    byId("show-difference").setAttribute("aria-pressed", String(on));
    this.stage.classList.toggle("difference", on);
  }

  showOriginal(on) {
    byId("show-original").setAttribute("aria-pressed", String(on));
    this.images.original.parentElement.hidden = !on;
    this.handle.hidden = on;
  }

  listen() {
    byId("picture").addEventListener("change", () => this.choosePicture());
    for (const id of ["rate", "left", "right"]) byId(id).addEventListener("change", () => this.show(false));
    byId("swap").addEventListener("click", () => {
      [byId("left").value, byId("right").value] = [byId("right").value, byId("left").value];
      this.show(false);
    });
    byId("zoom-in").addEventListener("click", () => this.zoomStep(true));
    byId("zoom-out").addEventListener("click", () => this.zoomStep(false));
    byId("zoom-reset").addEventListener("click", () => this.zoomBy(0));
    const original = byId("show-original");
    original.addEventListener("click", () => this.showOriginal(original.getAttribute("aria-pressed") === "false"));
    const difference = byId("show-difference");
    difference.addEventListener("click", () => this.showDifference(difference.getAttribute("aria-pressed") === "false"));
    this.section.addEventListener("keydown", (event) => this.onKey(event));
    this.stage.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.onPress(event));
    new ResizeObserver(() => this.size && this.layOut(false)).observe(this.section);
  }

  onKey(event) {
    const { key, shiftKey, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select")) return;
    const actions = {
      "+": () => this.zoomStep(true),
      "=": () => this.zoomStep(true),
      "-": () => this.zoomStep(false),
      0: () => this.zoomBy(0),
      o: () => byId("show-original").click(),
      d: () => byId("show-difference").click(),
    };
    const step = shiftKey ? 0.1 : 0.02;
    if (target === this.handle) {
      Object.assign(actions, {
        ArrowLeft: () => this.moveSplit(this.split - step),
        ArrowDown: () => this.moveSplit(this.split - step),
        ArrowRight: () => this.moveSplit(this.split + step),
        ArrowUp: () => this.moveSplit(this.split + step),
        PageDown: () => this.moveSplit(this.split - 0.1),
        PageUp: () => this.moveSplit(this.split + 0.1),
        Home: () => this.moveSplit(0),
        End: () => this.moveSplit(1),
      });
    } else if (target === this.stage && this.zoomed) {
      Object.assign(actions, {
        ArrowLeft: () => this.panBy(60, 0),
        ArrowRight: () => this.panBy(-60, 0),
        ArrowUp: () => this.panBy(0, 60),
        ArrowDown: () => this.panBy(0, -60),
      });
    }
    const action = actions[key.length === 1 ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  onWheel(event) {
    if (event.deltaY > 0 && !this.zoomed) return; // the page scrolls on
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    this.zoomBy(event.deltaY > 0 ? 1 / 1.25 : 1.25, event.clientX - box.left, event.clientY - box.top);
  }

  // Dragging the handle, or the picture while all of it is seen, moves the border; else it moves the picture.
  onPress(event) {
    if (event.button) return;
    const moves = event.target === this.handle || !this.zoomed ? (now) => this.dragSplit(now) : this.dragPicture(event);
    moves(event);
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", moves);
    const stop = () => this.stage.removeEventListener("pointermove", moves);
    for (const end of ["pointerup", "pointercancel"]) this.stage.addEventListener(end, stop, { once: true });
  }

  dragSplit({ clientX }) {
    const box = this.stage.getBoundingClientRect();
    this.moveSplit((clientX - box.left) / box.width);
  }

  dragPicture({ clientX, clientY }) {
    let [x, y] = [clientX, clientY];
    return (event) => {
      this.panBy(event.clientX - x, event.clientY - y);
      [x, y] = [event.clientX, event.clientY];
    };
  }
}
