// One picture large, with its boxes and what was found: a box lights up with its words, and the words with their box.

const light = { list: [], place: 0, back: null };
const dialog = part("light");
const lightSlider = slider();

function openLight(list, place, back) {
  Object.assign(light, { list, place, back });
  if (!dialog.open) dialog.showModal();
  drawLight();
}

function moveLight(step) {
  const place = light.place + step;
  if (place < 0 || place >= light.list.length) return;
  light.place = place;
  drawLight();
}

function drawLight() {
  const number = light.list[light.place];
  const image = images[number];
  const focused =
    document.activeElement && dialog.contains(document.activeElement) ? document.activeElement.dataset.role : "";
  const button = (role, label, text, act, off) =>
    el(
      "button",
      { type: "button", "data-role": role, "aria-label": label, title: label, onclick: act, disabled: off },
      text,
    );
  dialog.replaceChildren(
    el(
      "div",
      { class: "top" },
      el("p", { class: "where", "aria-live": "polite" }, `${count(light.place + 1)} of ${count(light.list.length)}`),
      button("before", "Previous picture", "←", () => moveLight(-1), light.place === 0),
      button("next", "Next picture", "→", () => moveLight(1), light.place === light.list.length - 1),
      button("close", "Close", "×", () => dialog.close()),
    ),
    el(
      "div",
      { class: "body" },
      el("div", { class: "stage" }, large(number, image)),
      el("div", { class: "said", tabindex: "0", role: "region", "aria-label": "What is known of it" }, ...told(image)),
    ),
  );
  const target = focused && dialog.querySelector(`[data-role="${focused}"]:not(:disabled)`);
  (target || dialog.querySelector('[data-role="close"]')).focus();
  markSure();
}

function large(number, image) {
  const width = image.w || 4,
    height = image.h || 3;
  const box = el("div", { class: "large" });
  box.style.setProperty("--ratio", width / height);
  const address = thumbnails(number);
  if (address) {
    box.append(el("img", { class: "thumb", src: address, alt: captionOf(image).slice(0, 300) }));
    if (image.o && location.protocol === "file:") box.append(original(image, width, height));
  } else {
    box.append(el("p", { class: "placeholder" }, el("span", {}, foreign(image.n || "no picture"))));
  }
  box.append(shapes(image, width, height), el("bdi", { class: "lit-label", dir: "auto", hidden: true }));
  return box;
}

/** The file itself over its thumbnail, if it still has the size that was answered. */
function original(image, width, height) {
  const img = el("img", { class: "original", alt: "", hidden: true, decoding: "async" });
  img.addEventListener("load", () => {
    img.hidden = img.naturalWidth !== width || img.naturalHeight !== height;
  });
  img.src = image.o;
  return img;
}

function corners(place) {
  if (place.length > 4) return place;
  const [x, y, w, h] = place;
  return [x, y, x + w, y, x + w, y + h, x, y + h];
}

function shapes(image, width, height, those = shapesOf) {
  const groups = layers
    .filter((layer) => those(image, layer.number).length)
    .map((layer) => {
      const drawn = those(image, layer.number).map(([, sure, ...place], index) => {
        const points = corners(place);
        const pairs = points.filter((_, at) => at % 2 === 0).map((x, at) => `${x},${points[2 * at + 1]}`);
        return svg("polygon", { points: pairs.join(" "), "data-shape": `${layer.number}-${index}`, "data-sure": sure });
      });
      return svg("g", { class: `layer-${layer.number}`, "data-layer": layer.number }, drawn);
    });
  return svg(
    "svg",
    { class: "shapes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    groups,
  );
}

function told(image) {
  const features = image.k && image.k.length ? ` · asked: ${image.k.join(", ")}` : "";
  return [
    image.f &&
      el(
        "div",
        { class: "failure" },
        el("strong", {}, `${image.f[0] === "deferred" ? "Deferred" : "Failed"}: ${spelled(image.f[1])}`),
        el("p", {}, foreign(image.f[2] || "")),
      ),
    ...(image.c || []).map(([text, sure]) =>
      el("p", { class: "caption" }, foreign(text), " ", el("small", {}, sureness(sure))),
    ),
    image.t &&
      el(
        "ul",
        { class: "tags", "aria-label": "Tags" },
        image.t.map(([name, sure]) =>
          el("li", { "data-sure": sure }, foreign(namesOf[name], 60), " ", el("small", {}, sureness(sure))),
        ),
      ),
    image.b && lightSlider,
    ...layers.filter((layer) => shapesOf(image, layer.number).length).map((layer) => found(image, layer)),
    el("p", { class: "uri" }, el("code", {}, foreign(image.u, 300))),
    el("p", { class: "facts" }, image.w ? `${image.w} × ${image.h}${features}` : features),
    image.n && el("p", { class: "facts" }, "No thumbnail: ", foreign(image.n)),
    el(
      "p",
      {},
      copyButton("Copy the URI", "URI", () => image.u),
    ),
  ].filter(Boolean);
}

function found(image, layer) {
  const box = el("input", { type: "checkbox", "data-role": `layer-${layer.number}` });
  box.checked = state.layers.has(layer.number);
  box.addEventListener("change", () => {
    if (box.checked) state.layers.add(layer.number);
    else state.layers.delete(layer.number);
    markSure();
  });
  const items = shapesOf(image, layer.number).map((shape, index) => {
    const item = el(
      "button",
      { type: "button", class: "item", "data-item": `${layer.number}-${index}` },
      el("bdi", { dir: "auto" }, labelOf(layer.number, shape).slice(0, 200)),
      " ",
      shape[1] === null ? "" : el("small", {}, sureness(shape[1])),
    );
    return el("li", { "data-sure": shape[1] }, item);
  });
  return el(
    "div",
    { class: `layer layer-${layer.number}` },
    el(
      "label",
      {},
      box,
      el("i", { class: "swatch" }),
      `${spelled(layer.name)} `,
      el("small", { "data-of": items.length }),
    ),
    el("ul", { "aria-label": spelled(layer.name) }, items),
  );
}

/** Hides what is less sure than the slider says, and the layers that are switched off. */
function markSure() {
  for (const one of dialog.querySelectorAll("[data-sure]")) {
    one.classList.toggle("unsure", !isSure(Number(one.dataset.sure)));
  }
  for (const group of dialog.querySelectorAll("[data-layer]")) {
    group.classList.toggle("off", !state.layers.has(Number(group.dataset.layer)));
  }
  for (const number of dialog.querySelectorAll("[data-of]")) {
    const sure = number.closest(".layer").querySelectorAll("li:not(.unsure)").length;
    number.textContent = sure === Number(number.dataset.of) ? String(sure) : `${sure} of ${number.dataset.of}`;
  }
}

function lightUp(event) {
  const from = event.target.closest && event.target.closest("[data-shape], [data-item]");
  for (const lit of dialog.querySelectorAll(".lit")) lit.classList.remove("lit");
  const label = dialog.querySelector(".lit-label");
  if (label) label.hidden = true;
  if (!from) return;
  const name = from.dataset.shape || from.dataset.item;
  const shape = dialog.querySelector(`[data-shape="${name}"]`),
    item = dialog.querySelector(`[data-item="${name}"]`);
  shape.classList.add("lit");
  item.classList.add("lit");
  if (from === shape) item.scrollIntoView({ block: "nearest" });
  showLabel(label, shape, item.firstChild.textContent);
}

function showLabel(label, shape, text) {
  const stage = label.parentElement.getBoundingClientRect(),
    box = shape.getBoundingClientRect();
  label.textContent = text.slice(0, 80);
  label.hidden = false;
  label.style.left = `${Math.max(Math.min(box.left - stage.left, stage.width - label.offsetWidth), 0)}px`;
  const above = box.top - stage.top - label.offsetHeight;
  label.style.top = `${Math.max(above, 0)}px`;
}

for (const type of ["mouseover", "focusin", "click"]) dialog.addEventListener(type, lightUp);
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (event.target.type === "range") return;
  if (event.key === "ArrowLeft") moveLight(-1);
  else if (event.key === "ArrowRight") moveLight(1);
  else return;
  event.preventDefault();
});
dialog.addEventListener("close", () => {
  if (light.back) light.back(light.place);
});
onLeast(markSure);
