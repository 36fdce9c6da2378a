// The contact sheet: justified rows, and only those in the page that are near the screen.

const sheet = {
  found: images.map((_, number) => number), // what passes the filters, in order
  rows: [], // { top, height, from, to, lefts, widths }
  drawn: new Map(), // rows that are in the page
  at: 0, // the place in `found` that the keyboard is at
  open: false,
  printing: false,
};
const GAP = 6;
const FEW_ROWS = 4;
const ON_PAPER = 9; // rows

function findImages() {
  const words = filters.words.toLowerCase().split(/\s+/).filter(Boolean);
  sheet.found = images.map((_, number) => number).filter((number) => passes(number, words));
  sheet.at = 0;
  layOut();
  tellFound();
}

/** Rows that fill the width: each as high as it takes. The last one is not stretched. */
function justify(width, height) {
  const rows = [];
  let top = 0,
    from = 0,
    sum = 0;
  const least = (number) => (thumbnails(number) ? 0.4 : images[number].f && !images[number].c ? 1.7 : 0.9);
  const ratios = sheet.found.map((number) =>
    Math.min(Math.max((images[number].w || 4) / (images[number].h || 3), least(number)), 3.5),
  );
  const end = (to, isLast) => {
    const room = width - GAP * (to - from - 1);
    const high = isLast ? Math.min(height, room / sum) : room / sum;
    const row = { top, height: high, from, to, lefts: [], widths: [] };
    let left = 0;
    for (let place = from; place < to; place++) {
      row.lefts.push(left);
      row.widths.push(ratios[place] * high);
      left += ratios[place] * high + GAP;
    }
    rows.push(row);
    top += high + GAP;
    from = to;
    sum = 0;
  };
  for (let place = 0; place < ratios.length; place++) {
    sum += ratios[place];
    if (sum * height + GAP * (place - from) >= width) end(place + 1, false);
  }
  if (from < ratios.length) end(ratios.length, true);
  return rows;
}

/** Pictures need most room, words less, and names of files least. */
function heightOfRows(width) {
  const has = (test) => sheet.found.some(test);
  const wide = width < 600 ? 0.65 : 1;
  if (has((number) => thumbnails(number))) return 148 * wide;
  return has((number) => images[number].c || images[number].t) ? 136 : 84;
}

function layOut() {
  const width = sheet.printing ? 700 : sheet.box.clientWidth;
  const height = sheet.printing ? 84 : heightOfRows(width);
  const isHere = sheet.box.contains(document.activeElement);
  for (const element of sheet.drawn.values()) element.remove();
  sheet.drawn.clear();
  sheet.width = width;
  sheet.rows = justify(width, height);
  const few = sheet.rows.length > FEW_ROWS + 1 && (!sheet.open || sheet.printing);
  sheet.shown = few ? (sheet.printing ? Math.min(ON_PAPER, sheet.rows.length) : FEW_ROWS) : sheet.rows.length;
  const last = sheet.rows[sheet.shown - 1];
  sheet.box.style.height = `${last ? last.top + last.height : 0}px`;
  sheet.more.hidden = sheet.rows.length <= FEW_ROWS + 1;
  sheet.more.textContent = few ? `Show all ${count(sheet.found.length)}` : "Show fewer";
  sheet.more.setAttribute("aria-expanded", String(!few));
  drawRows();
  if (isHere && sheet.at < sheet.found.length) sheet.box.querySelector('[tabindex="0"]').focus({ preventScroll: true });
}

function drawRows() {
  const box = sheet.box.getBoundingClientRect();
  const margin = 600;
  const isNear = (row) =>
    sheet.printing || (box.top + row.top + row.height > -margin && box.top + row.top < innerHeight + margin);
  for (const [number, element] of sheet.drawn) {
    if (number >= sheet.shown || !isNear(sheet.rows[number])) {
      element.remove();
      sheet.drawn.delete(number);
    }
  }
  for (let number = 0; number < sheet.shown; number++) {
    if (!sheet.drawn.has(number) && isNear(sheet.rows[number])) {
      const after = [...sheet.drawn.keys()].filter((other) => other > number).sort((a, b) => a - b)[0];
      const element = rowElement(sheet.rows[number]);
      sheet.box.insertBefore(element, after === undefined ? null : sheet.drawn.get(after));
      sheet.drawn.set(number, element);
    }
  }
  keepTabStop();
}

function rowElement(row) {
  const element = el("div", { class: "row", role: "none" });
  element.style.transform = `translateY(${row.top}px)`;
  for (let place = row.from; place < row.to; place++) {
    const item = el("div", {
      class: "frame",
      role: "listitem",
      "aria-setsize": sheet.found.length,
      "aria-posinset": place + 1,
    });
    item.style.left = `${row.lefts[place - row.from]}px`;
    item.style.width = `${row.widths[place - row.from]}px`;
    item.style.height = `${row.height}px`;
    item.append(tile(sheet.found[place], { "data-place": place, tabindex: -1 }));
    element.append(item);
  }
  return element;
}

function captionOf(image) {
  if (image.c && image.c.length) return image.c[0][0];
  if (image.t && image.t.length)
    return image.t
      .slice(0, 4)
      .map(([name]) => namesOf[name])
      .join(", ");
  return nameOf(image.u);
}

/** The picture, or what is known instead; a failure is written on it, and of others the caption is shown at a touch. */
function tile(number, properties) {
  const image = images[number];
  const button = el("button", { type: "button", class: `tile ${outcomeOf(image)}`, ...properties });
  const address = thumbnails(number);
  const name = nameOf(image.u).slice(-60);
  if (address)
    add(button, el("img", { src: address, alt: image.f ? name : "", decoding: "async", draggable: "false" }));
  else
    add(
      button,
      image.b && shapes(image, image.w || 4, image.h || 3, sureShapes),
      el("bdi", { class: "words", dir: "auto" }, image.f && !image.c ? name : captionOf(image).slice(0, 160)),
    );
  if (image.f) add(button, " ", el("span", { class: "mark" }, spelled(image.f[1])));
  else if (address) add(button, el("bdi", { class: "told", dir: "auto" }, captionOf(image).slice(0, 120)));
  return button;
}

/** What stands for a picture that is not there: the boxes that are drawn at first, as far as they are sure. */
const sureShapes = (image, layer) =>
  shownAtFirst.has(layers[layer].name) ? shapesOf(image, layer).filter(([, sure]) => isSure(sure)) : [];

function smallTile(number) {
  const image = images[number];
  const address = thumbnails(number);
  const text = (image.f ? nameOf(image.u) : captionOf(image)).slice(0, 120);
  const shown = address
    ? el("img", { src: address, alt: text, decoding: "async" })
    : el("bdi", { class: "words", dir: "auto" }, text);
  return el("button", { type: "button", class: "tile mini", title: text }, shown);
}

function keepTabStop() {
  for (const old of sheet.box.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
  const here = sheet.box.querySelector(`[data-place="${sheet.at}"]`) || sheet.box.querySelector("[data-place]");
  if (here) here.tabIndex = 0;
}

function focusTile(place) {
  if (place < 0 || place >= sheet.found.length) return;
  sheet.at = place;
  const number = sheet.rows.findIndex((row) => place < row.to);
  if (number >= sheet.shown) openSheet(true);
  const row = sheet.rows[number];
  const top = sheet.box.getBoundingClientRect().top + row.top;
  const bar = sheet.bar.getBoundingClientRect().height + 12;
  if (top < bar) scrollBy(0, top - bar);
  else if (top + row.height > innerHeight) scrollBy(0, top + row.height - innerHeight + 12);
  drawRows();
  sheet.box.querySelector(`[data-place="${place}"]`).focus({ preventScroll: true });
}

/** The place above or below that is nearest to the middle of this one. */
function neighbour(place, step) {
  const number = sheet.rows.findIndex((row) => place < row.to);
  const row = sheet.rows[number],
    other = sheet.rows[number + step];
  if (!other) return place;
  const middle = row.lefts[place - row.from] + row.widths[place - row.from] / 2;
  const offs = other.lefts.map((left, index) => Math.abs(left + other.widths[index] / 2 - middle));
  return other.from + offs.indexOf(Math.min(...offs));
}

function moveByKey(event) {
  const place = Number(event.target.dataset.place);
  const last = sheet.found.length - 1;
  const moves = {
    ArrowLeft: () => place - 1,
    ArrowRight: () => place + 1,
    ArrowUp: () => neighbour(place, -1),
    ArrowDown: () => neighbour(place, 1),
    Home: () => 0,
    End: () => last,
  };
  if (Number.isNaN(place) || !moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  focusTile(Math.min(Math.max(moves[event.key](), 0), last));
}

function openSheet(open) {
  sheet.open = open;
  layOut();
  if (!open && sheet.box.getBoundingClientRect().top < 0) part("pictures").scrollIntoView();
}

function drawSheet() {
  const section = part("pictures");
  const { of } = data.sheet;
  const shown =
    images.length === of
      ? of === 1
        ? "The one image"
        : `All ${many(of, "image")}`
      : `${count(images.length)} of ${many(of, "image")}`;
  const how = images.length < of ? ": what failed, what is rare, and a fair sample" : "";
  const away = images.filter((image) => image.n === data.sheet.away).length;
  const why =
    away > images.length / 10
      ? `. ${away === images.length ? "They are" : `${count(away)} of them are`} on the web, where the report fetches nothing: words and boxes stand for ${away === 1 ? "it" : "them"}`
      : "";
  sheet.controls = makeControls();
  sheet.told = el("span", { class: "found", role: "status" });
  sheet.clear = el(
    "button",
    {
      type: "button",
      class: "small",
      hidden: true,
      onclick: () => {
        clearFilters();
        drawControls();
        findImages();
      },
    },
    "Clear",
  );
  sheet.bar = el(
    "div",
    { class: "tools", role: "search" },
    sheet.controls.search,
    isNarrow
      ? el("details", { class: "folded" }, el("summary", {}, "filters"), el("div", {}, sheet.controls.others))
      : sheet.controls.others,
    sheet.controls.chip,
    sheet.told,
    sheet.clear,
  );
  sheet.box = el("div", { class: "sheet", role: "list", "aria-label": "Pictures" });
  sheet.none = el(
    "p",
    { class: "none", hidden: true },
    "No picture of this sheet fits. The tables hold all: image-analysis-beam sql.",
  );
  sheet.more = el("button", { type: "button", class: "more" }, "");
  add(
    section,
    el(
      "div",
      { class: "head" },
      el("h2", { id: "pictures-title" }, "Contact sheet"),
      el("p", {}, images.length ? shown + how + why : "No image was answered, and none failed."),
    ),
    images.length > 0 && sheet.bar,
    sheet.none,
    sheet.box,
    sheet.more,
  );
  sheet.more.addEventListener("click", () => openSheet(!sheet.open));
  sheet.box.addEventListener("keydown", moveByKey);
  sheet.box.addEventListener("focusin", (event) => {
    sheet.at = Number(event.target.dataset.place);
  });
  sheet.box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-place]");
    if (button) openLight(sheet.found, Number(button.dataset.place), (place) => focusTile(place));
  });
  drawControls();
  findImages();
  onLeast(() => {
    if (filters.tag || filters.object || filters.people) findImages();
    else if (away) layOut();
  });
  let waiting = false;
  addEventListener(
    "scroll",
    () => {
      if (!waiting)
        requestAnimationFrame(() => {
          waiting = false;
          drawRows();
        });
      waiting = true;
    },
    { passive: true },
  );
  new ResizeObserver(() => {
    if (!sheet.printing && sheet.box.clientWidth !== sheet.width) layOut();
  }).observe(sheet.box);
  for (const [type, printing] of [
    ["beforeprint", true],
    ["afterprint", false],
  ]) {
    addEventListener(type, () => {
      sheet.printing = printing;
      layOut();
    });
  }
}
