// Which images the sheet shows: what is known of an image, the filters, and their controls.

const noFilters = { words: "", outcome: "", tag: "", object: "", people: false, text: false, only: null, onlyName: "" };
const filters = { ...noFilters };
const layerNumber = (name) => layers.findIndex((layer) => layer.name === name);
const objectLayers = layers.filter((layer) => layer.isNamed).map((layer) => layer.number);
const peopleLayer = layerNumber("people");
const textLayer = layerNumber("read_lines");
const namesOf = data.sheet.names;
const outcomeOf = (image) => (image.f ? image.f[0] : "answered");

const shapesOf = (image, layer) => (image.b && image.b[layer]) || [];
const objectsOf = (image) => objectLayers.flatMap((layer) => shapesOf(image, layer));
const labelOf = (layer, shape) => {
  if (layers[layer].isNamed) return namesOf[shape[0]];
  return layers[layer].name === "people" ? "person" : shape[0];
};

const haystacks = [];
function haystack(number) {
  if (haystacks[number] === undefined) {
    const image = images[number];
    const parts = [
      image.u,
      ...(image.c || []).map(([text]) => text),
      ...(image.t || []).map(([name]) => namesOf[name]),
    ];
    for (const layer of layers)
      for (const shape of shapesOf(image, layer.number)) parts.push(labelOf(layer.number, shape));
    if (image.f) parts.push(spelled(image.f[1]), image.f[1], image.f[2]);
    haystacks[number] = parts.join("\n").toLowerCase();
  }
  return haystacks[number];
}

function passes(number, words) {
  const image = images[number];
  if (filters.only && !filters.only.has(number)) return false;
  if (filters.outcome && outcomeOf(image) !== filters.outcome) return false;
  if (filters.tag && !(image.t || []).some(([name, sure]) => namesOf[name] === filters.tag && isSure(sure)))
    return false;
  if (filters.object && !objectsOf(image).some(([name, sure]) => namesOf[name] === filters.object && isSure(sure)))
    return false;
  if (filters.people && !shapesOf(image, peopleLayer).some(([, sure]) => isSure(sure))) return false;
  if (filters.text && !shapesOf(image, textLayer).length) return false;
  return words.every((word) => haystack(number).includes(word));
}

/** Shows only some images, as a part of the page has them; and goes there. */
function showOnly(numbers, name) {
  clearFilters();
  filters.only = new Set(numbers);
  filters.onlyName = name;
  goToSheet();
}

function goToSheet() {
  drawControls();
  findImages();
  part("pictures").scrollIntoView();
}

const clearFilters = () => Object.assign(filters, noFilters);

function tellFound() {
  const all = sheet.found.length === images.length;
  const least = filters.tag || filters.object || filters.people;
  sheet.told.textContent = all
    ? ""
    : `${many(sheet.found.length, "picture")} of ${count(images.length)}${least ? ` at confidence ${state.least.toFixed(2)} or more` : ""}`;
  sheet.clear.hidden = all && !filters.onlyName && !filters.tag && !filters.object && !filters.words;
  sheet.none.hidden = sheet.found.length > 0 || !images.length;
}

function options(select, all, entries, chosen) {
  select.replaceChildren(el("option", { value: "" }, all));
  for (const [value, label] of entries) {
    const option = el("option", { value }, label);
    option.selected = value === chosen;
    select.append(option);
  }
  select.value = chosen;
}

/** Names in the sheet by the number of its pictures, the most frequent first; and the chosen one, if it is none of them. */
function nameOptions(lists, chosen) {
  const numbers = new Map();
  for (const list of lists)
    for (const name of new Set(list.map((entry) => entry[0]))) numbers.set(name, (numbers.get(name) || 0) + 1);
  const most = [...numbers].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 400);
  const entries = most.map(([name, number]) => [namesOf[name], `${namesOf[name].slice(0, 60)} (${count(number)})`]);
  if (chosen && !entries.some(([name]) => name === chosen)) entries.unshift([chosen, chosen.slice(0, 60)]);
  return entries;
}

function drawControls() {
  const { search, outcome, tag, object, people, text, chip } = sheet.controls;
  if (search.value !== filters.words) search.value = filters.words;
  outcome.value = filters.outcome;
  options(
    tag,
    "any tag",
    nameOptions(
      images.map((image) => image.t || []),
      filters.tag,
    ),
    filters.tag,
  );
  options(object, "any object", nameOptions(images.map(objectsOf), filters.object), filters.object);
  people.checked = filters.people;
  text.checked = filters.text;
  chip.hidden = !filters.onlyName;
  chip.textContent = `only ${filters.onlyName}`;
}

function control(make, change) {
  make.addEventListener(make.type === "search" ? "input" : "change", () => {
    change(make);
    findImages();
  });
  return make;
}

function makeControls() {
  const outcomes = [
    ["answered", "analyzed"],
    ["dead_letter", "failed"],
    ["deferred", "deferred"],
  ];
  const there = outcomes.filter(([name]) => images.some((image) => outcomeOf(image) === name));
  const controls = {
    search: control(
      el("input", {
        type: "search",
        placeholder: "search captions, tags, text, URIs",
        "aria-label": "Search the pictures",
      }),
      (one) => (filters.words = one.value),
    ),
    outcome: control(el("select", { "aria-label": "Outcome" }), (one) => (filters.outcome = one.value)),
    tag: control(el("select", { "aria-label": "Tag" }), (one) => (filters.tag = one.value)),
    object: control(el("select", { "aria-label": "Object" }), (one) => (filters.object = one.value)),
    people: control(el("input", { type: "checkbox" }), (one) => (filters.people = one.checked)),
    text: control(el("input", { type: "checkbox" }), (one) => (filters.text = one.checked)),
    chip: el("span", { class: "chip", hidden: true }),
  };
  options(controls.outcome, "any outcome", there, "");
  const has = (layer) => images.some((image) => shapesOf(image, layer).length);
  controls.outcome.hidden = there.length < 2;
  controls.tag.hidden = !images.some((image) => image.t);
  controls.object.hidden = !images.some((image) => objectsOf(image).length);
  return {
    ...controls,
    others: [
      controls.outcome,
      controls.tag,
      controls.object,
      has(peopleLayer) && el("label", { class: "check" }, controls.people, "people"),
      has(textLayer) && el("label", { class: "check" }, controls.text, "text"),
      Object.keys(data.facets.confidences).length > 0 && slider(),
    ],
  };
}
