// Making elements.

const byId = (id) => document.getElementById(id);

// Text always goes in as text, so that names of files cannot become markup.
const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};

const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

const shape = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// Put options into a select; `items` are [value, text].
const setOptions = (select, items, chosen) => {
  select.replaceChildren(...items.map(([value, text]) => element("option", { value }, text)));
  if (items.some(([value]) => String(value) === String(chosen))) select.value = chosen;
};

// Colour and marker of a curve; with more than eight, colours come again with another marker.
const COLOURS = 8;
const MARKERS = [
  "M4.5 0A4.5 4.5 0 1 1-4.5 0A4.5 4.5 0 1 1 4.5 0Z",
  "M-4-4H4V4H-4Z",
  "M0-5.2L5 3.6H-5Z",
  "M0-5.6L5.6 0L0 5.6L-5.6 0Z",
  "M0 5.2L5-3.6H-5Z",
];
const colourOf = (curve) => `--colour: var(--curve-${curve % COLOURS})`;
const markerOf = (curve) => MARKERS[(curve + Math.floor(curve / COLOURS)) % MARKERS.length];
