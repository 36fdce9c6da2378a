// What every part of the page stands on: the data, elements, numbers and foreign texts. Text goes in as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const images = data.sheet.images;
const layers = data.sheet.layers.map(([name, isNamed], number) => ({ name, isNamed, number }));
const shownAtFirst = new Set(["objects", "custom_objects", "people", "read_lines"]);
const state = {
  least: 0.5, // the confidence from which on something counts
  layers: new Set(layers.filter((layer) => shownAtFirst.has(layer.name)).map((layer) => layer.number)),
};

const thumbnails = (() => {
  const text = document.getElementById("thumbnails").textContent;
  const found = [];
  for (let start = 0; found.length < images.length;) {
    const end = text.indexOf("\n", start);
    found.push([start, end < 0 ? text.length : end]);
    start = end < 0 ? text.length : end + 1;
  }
  return (number) => {
    const [start, end] = found[number];
    return end > start ? "data:image/jpeg;base64," + text.slice(start, end) : "";
  };
})();

function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** Appends elements and texts; what is null or false is left out. */
function add(element, ...children) {
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const el = (tag, properties = {}, ...children) => add(set(document.createElement(tag), properties), ...children);
const svg = (tag, properties = {}, ...children) =>
  add(set(document.createElementNS("http://www.w3.org/2000/svg", tag), properties), ...children);
const isNarrow = matchMedia("(max-width: 48rem)").matches;
const part = (id) => document.getElementById(id);

const count = (number) => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const many = (number, one, several = one + "s") => `${count(number)} ${number === 1 ? one : several}`;
const spelled = (name) => name.replaceAll("_", " ").replace("read lines", "text lines");
const sureness = (value) =>
  value === null ? "" : value >= 0.005 || value === 0 ? value.toFixed(2) : value.toPrecision(1);
const joined = (parts) => parts.filter(Boolean).join(" · ");
const megabytes = (bytes) => `${bytes < 1e7 ? (bytes / 1e6).toFixed(1) : count(bytes / 1e6)} MB`;
const isSure = (value) => value === null || value >= state.least;
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "an unknown time";
  if (seconds < 1 && seconds > 0) return `${count(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Foreign text, isolated from the direction of what stands around it; what is long is folded up. */
function foreign(text, limit = 240) {
  if (text.length <= limit) return el("bdi", { dir: "auto" }, text);
  return el(
    "details",
    { class: "long" },
    el("summary", {}, el("bdi", { dir: "auto" }, text.slice(0, limit) + "…")),
    el("bdi", { dir: "auto" }, text),
  );
}

/** The end of a URI, which tells more than its beginning. */
const nameOf = (uri) => uri.split(/[?#]/)[0].split("/").pop() || uri;

function say(text) {
  part("said").textContent = text;
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`${what} copied`);
}

function copyButton(label, what, text) {
  const button = el("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    await copy(text(), what);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

const listeners = [];
/** Calls when the least confidence has changed. */
const onLeast = (listener) => listeners.push(listener);

function setLeast(value) {
  state.least = value;
  for (const listener of listeners) listener();
}

function slider() {
  const shown = el("output", {});
  const input = el("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    "aria-label": "least confidence that counts",
  });
  const update = () => {
    input.value = state.least;
    shown.textContent = state.least.toFixed(2);
  };
  input.addEventListener("input", () => setLeast(Number(input.value)));
  onLeast(update);
  update();
  return el("label", { class: "slider" }, "confidence ≥ ", shown, input);
}
