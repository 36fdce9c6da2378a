// What is in the images: names as bars that filter the sheet, confidences, text, sizes, formats, and the odd ones.

function drawFacets() {
  const { facets } = data;
  const section = part("facets");
  const named = Object.entries(facets.names),
    sure = Object.entries(facets.confidences);
  add(section, el("h2", { id: "facets-title" }, "What is in them"));
  if (!data.verdict.answers) {
    add(section, el("p", { class: "note" }, "No image was answered."));
    return;
  }
  add(
    section,
    el(
      "div",
      { class: "columns" },
      named.map(([table, found]) => names(table, found)),
    ),
  );
  if (sure.length)
    add(
      section,
      el("h3", {}, "How sure"),
      el(
        "div",
        { class: "columns small" },
        sure.map(([table, bins]) => confidences(table, bins)),
      ),
    );
  add(section, el("div", { class: "columns small" }, textFound(), sizes(), formats(), ...facets.odd.map(oddity)));
}

function names(table, found) {
  const isTag = table.endsWith("tags");
  const most = found.most.slice(0, 15);
  const box = el("ul", { class: "names" });
  const draw = () => {
    const from = Math.round(state.least * 20);
    const rows = found.most.map(([name, bins]) => [name, bins.slice(from).reduce((sum, number) => sum + number, 0)]);
    const shown = rows
      .filter(([, number]) => number)
      .sort((a, b) => b[1] - a[1])
      .slice(0, most.length);
    const top = shown.length ? shown[0][1] : 1;
    box.replaceChildren(
      ...shown.map(([name, number]) =>
        el(
          "li",
          {},
          el(
            "button",
            {
              type: "button",
              title: "show them in the contact sheet",
              onclick: () => {
                clearFilters();
                filters[isTag ? "tag" : "object"] = name;
                goToSheet();
              },
            },
            el("bdi", { dir: "auto" }, name.slice(0, 80)),
            meter(number / top),
            el("span", { class: "number" }, count(number)),
          ),
        ),
      ),
    );
  };
  onLeast(draw);
  draw();
  return el(
    "div",
    {},
    el(
      "h3",
      {},
      spelled(table),
      " ",
      el("small", {}, `${many(found.different, "name")}, ${count(found.total)} times; a click shows them`),
    ),
    box,
  );
}

function confidences(table, bins) {
  const total = bins.reduce((sum, number) => sum + number, 0);
  const chart = el("div", { class: "chart low" });
  const told = el("p", { class: "note" });
  const draw = () => {
    const kept = bins.slice(Math.round(state.least * bins.length)).reduce((sum, number) => sum + number, 0);
    chart.replaceChildren(histogram(bins, `${spelled(table)} by confidence`));
    told.textContent = `${count(kept)} of ${count(total)} at ${state.least.toFixed(2)} or more`;
  };
  onLeast(draw);
  draw();
  return el(
    "figure",
    {},
    el("figcaption", {}, spelled(table)),
    chart,
    el(
      "div",
      { class: "ticks", "aria-hidden": "true" },
      el("span", {}, "0"),
      el("span", {}, "0.5"),
      el("span", {}, "1"),
    ),
    told,
  );
}

function textFound() {
  const { text } = data.facets;
  if (!text.asked && !text.lines) return null;
  const numbers = images.map((_, number) => number).filter((number) => shapesOf(images[number], textLayer).length);
  return el(
    "div",
    {},
    el("h3", {}, "Text"),
    el(
      "p",
      {},
      `${many(text.lines, "line")} in ${many(text.images, "image")}, of ${count(text.asked)} that were asked for it.`,
    ),
    numbers.length > 0 && thumbs(numbers, 6, "with text"),
  );
}

const sizes = () =>
  data.facets.sides.length > 0 &&
  bars(
    "Longest side",
    data.facets.sides.map(([to, number]) => [`to ${count(to)} px`, number]),
  );
const formats = () =>
  data.facets.formats.length > 0 &&
  bars(
    "File names end in",
    data.facets.formats.map(([name, number]) => [name || "nothing known", number]),
  );
const oddity = (one) =>
  el(
    "div",
    {},
    el(
      "h3",
      {},
      one.name[0].toUpperCase() + one.name.slice(1),
      one.number === null ? "" : el("small", {}, ` ${count(one.number)}`),
    ),
    one.images.length > 0 ? thumbs(one.images, 6, one.name) : el("p", { class: "note" }, "None is in the sheet."),
  );
