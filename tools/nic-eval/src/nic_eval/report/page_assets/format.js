// How figures are written: metrics, rates, times and sizes.

// digits: of the plain value. plotted: the value's place on the axis, where that is another unit.
const METRICS = {
  psnr: { name: "PSNR", unit: "dB", digits: 2, higher: true },
  "ms-ssim": { name: "MS-SSIM", unit: "dB", digits: 4, higher: true, plotted: (value) => Math.min(-10 * Math.log10(Math.max(1 - value, 1e-10)), 100) },
  lpips: { name: "LPIPS", unit: "", digits: 4, higher: false },
  dists: { name: "DISTS", unit: "", digits: 4, higher: false },
  clip: { name: "CLIP similarity", unit: "", digits: 4, higher: true },
  fid: { name: "FID", unit: "", digits: 2, higher: false },
  kid: { name: "KID", unit: "", digits: 5, higher: false },
  "fid-whole": { name: "FID of whole pictures", unit: "", digits: 2, higher: false },
  "kid-whole": { name: "KID of whole pictures", unit: "", digits: 5, higher: false },
  "lpips-unit": { name: "LPIPS of [0, 1]", unit: "", digits: 4, higher: false },
  fd: { name: "FD of DINOv2", unit: "", digits: 2, higher: false },
};

// Metrics of any network, "top1:NAME".
const FAMILIES = {
  top1: { title: "Class kept by", unit: "", digits: 3, higher: true },
  fd: { title: "FD of", unit: "", digits: 2, higher: false },
};

const metricOf = (key) => {
  if (Object.hasOwn(METRICS, key)) return METRICS[key];
  const [family, ...network] = key.split(":");
  if (!Object.hasOwn(FAMILIES, family)) return { name: key, unit: "", digits: 4, higher: true };
  return { name: `${FAMILIES[family].title} ${network.join(":")}`, ...FAMILIES[family] };
};

const metricTitle = (key) => {
  const { name, unit } = metricOf(key);
  return unit ? `${name} (${unit})` : name;
};

// Where a point lies on the metric's axis; null where it has no such figure.
const plottedValue = (metrics, key) => {
  const value = metrics[key] ?? null;
  return value === null ? null : (metricOf(key).plotted ?? ((plain) => plain))(value);
};

const minus = (text) => text.replace("-", "\u2212");

const fixed = (value, digits) => minus(value.toFixed(digits));

// "29.52 dB"; "0.9712 (15.41 dB)" for metrics that are plotted in another unit.
const formatMetric = (metrics, key) => {
  const value = metrics[key] ?? null;
  if (value === null) return "–";
  const { digits, unit, plotted } = metricOf(key);
  if (!plotted) return fixed(value, digits) + (unit && ` ${unit}`);
  const place = plotted(value);
  return fixed(value, digits) + (place === null ? "" : ` (${fixed(place, 2)} ${unit})`);
};

const formatRate = (bpp) => `${bpp.toFixed(3)} bpp`;

const formatSeconds = (seconds) => {
  if (seconds === null) return "–";
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  return seconds < 100 ? `${seconds.toFixed(2)} s` : `${Math.round(seconds)} s`;
};

// Sizes of files count in thousands, memory in units of 1024.
const formatBytes = (bytes) => {
  if (bytes === null) return "–";
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
};

const formatMemory = (bytes) => {
  if (!bytes) return "–";
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
};
