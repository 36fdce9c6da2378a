// What needs a person: a group for each reason, with what to do, where the images are listed, and what can be copied.

function thumbs(numbers, most, name) {
  const shown = numbers.slice(0, most);
  return el(
    "div",
    { class: "thumbs" },
    shown.map((number, place) => {
      const one = smallTile(number);
      one.addEventListener("click", () => openLight(numbers, place, () => one.focus()));
      return one;
    }),
    numbers.length > most
      ? el(
          "button",
          { type: "button", class: "small", onclick: () => showOnly(numbers, name) },
          `all ${count(numbers.length)} of the sheet`,
        )
      : null,
  );
}

function drawNeeds() {
  const section = part("needs");
  if (!data.needs.length) {
    section.remove();
    return;
  }
  const { verdict } = data;
  add(section, el("h2", { id: "needs-title" }, "What needs you"));
  for (const [place, title] of [
    ["dead_letter", "Failed"],
    ["deferred", "Deferred: not called to the end, through no fault of their own"],
  ]) {
    const groups = data.needs.filter((group) => group.place === place);
    if (groups.length) add(section, el("h3", {}, title), ...groups.map(needGroup));
  }
  if (verdict.elsewhere)
    add(
      section,
      el(
        "p",
        { class: "note" },
        `${many(verdict.elsewhere, "more image")} of other lists in this folder ${verdict.elsewhere === 1 ? "is" : "are"} open; image-analysis-beam show ${data.run.folder} failures prints them.`,
      ),
    );
}

function needGroup(group) {
  const pictured = group.images.filter((number) => thumbnails(number));
  const where = ([uri, list, position]) =>
    el(
      "li",
      {},
      el("code", {}, foreign(uri, 160)),
      list && el("small", {}, " ", foreign(position ? `${list}:${position}` : list, 120)),
    );
  const first = group.uris.slice(0, 5),
    rest = group.uris.slice(5);
  const uris = () => group.uris.map(([uri]) => uri).join("\n");
  const several =
    group.uris.length === group.number ? many(group.number, "URI") : `the first ${count(group.uris.length)} URIs`;
  return el(
    "article",
    { class: `group ${group.place}` },
    el(
      "header",
      {},
      el("b", { class: "number" }, count(group.number)),
      el("h4", {}, spelled(group.reason)),
      group.meaning && el("p", {}, group.meaning),
    ),
    el(
      "div",
      { class: "do" },
      el(
        "p",
        {},
        el("strong", {}, group.what_to_do),
        "; ",
        group.next.join("; ").replaceAll("; call it with", ", call it with"),
        ".",
      ),
      group.messages.map(([text, facts]) =>
        el("p", { class: "message" }, foreign(text), facts && el("small", {}, ` ${facts}`)),
      ),
      pictured.length > 0 && thumbs(pictured, 12, spelled(group.reason)),
      el("ul", { class: "uris" }, first.map(where)),
      rest.length > 0 &&
        el(
          "details",
          {},
          el("summary", {}, `${count(rest.length)} more`),
          el("ul", { class: "uris" }, rest.slice(0, 500).map(where)),
        ),
      el(
        "p",
        { class: "buttons" },
        copyButton(`Copy ${several}`, several, uris),
        copyButton("Copy the command", "command", () => group.command),
        el("a", { href: group.link, rel: "noreferrer" }, "Troubleshooting"),
      ),
    ),
  );
}
