// The verdict: what the run came to, what changed since the one before, and what was asked of whom.

const OUTCOMES = {
  analyzed: "analyzed now",
  dead_letters: "dead letters",
  deferred: "deferred",
  skipped: "skipped",
  duplicates: "duplicates",
};
const reasonsOf = (reasons) =>
  Object.entries(reasons)
    .map(([name, number]) => `${count(number)} ${spelled(name)}`)
    .join(", ");

function drawVerdict() {
  const { verdict, run, cost, pace } = data;
  const calls = pace.calls.attempts;
  const rate = verdict.per_second
    ? `${Number(verdict.per_second.toPrecision(3))} calls a second`
    : "";
  const nothing =
    !calls && verdict.answered === verdict.images
      ? "nothing new, so no call was made"
      : calls
        ? ""
        : "no call was made";
  const money = cost.amount === null ? "" : `${cost.amount} ${cost.currency}`;
  const what = verdict.images
    ? `${count(verdict.answered)} of ${count(verdict.images)} analyzed.`
    : "No image was listed.";
  const need = verdict.need
    ? verdict.need === 1
      ? "1 needs you."
      : `${count(verdict.need)} need you.`
    : "Nothing needs you.";
  document.title = `${what} ${need}`;
  const emulator = verdict.emulated > 0;
  const all = verdict.emulated === verdict.answers;
  add(
    part("verdict"),
    el(
      "div",
      { class: "kicker" },
      el("span", {}, "Image analysis"),
      el("span", {}, `run ${run.id}`),
      emulator && el("strong", { class: "stamp" }, "Emulator"),
    ),
    el(
      "h1",
      {},
      what,
      " ",
      el(
        verdict.need ? "a" : "span",
        { class: verdict.need ? "need" : "good", href: verdict.need ? "#needs" : null },
        need,
      ),
    ),
    el("p", { class: "lead" }, joined([money, duration(verdict.seconds), rate, rate && verdict.limited_by, nothing])),
    changes(),
    emulator &&
      el(
        "p",
        { class: "note" },
        `${all ? (verdict.answers === 1 ? "The one answer is" : `All ${count(verdict.answers)} answers are`) : `${count(verdict.emulated)} of ${count(verdict.answers)} answers are`} the emulator's: captions, tags, objects and people are made from the pixels, not seen.`,
      ),
    accounts(),
    asked(),
    el(
      "nav",
      { "aria-label": "Parts of the page" },
      el("a", { href: "#pictures" }, "Pictures"),
      data.needs.length > 0 && el("a", { href: "#needs" }, `Needs you`, " ", el("small", {}, count(verdict.need))),
      el("a", { href: "#facets" }, "What is in them"),
      el("a", { href: "#went" }, "How it went"),
      el("a", { href: "#runs" }, "Runs"),
    ),
  );
}

function changes() {
  const { changed } = data;
  if (!changed) return null;
  const parts = [
    ["new", changed.new],
    ["fixed", changed.fixed],
    ["still failing", changed.still],
  ].filter(([, number]) => number);
  const text = parts.length
    ? parts.map(([name, number]) => `${count(number)} ${name}`).join(", ")
    : "no failure came or went";
  return el("p", { class: "changes", title: changed.since }, `Since the run before: ${text}.`);
}

function accounts() {
  const parts = data.outcomes.map(([name, number, reasons]) => [
    number,
    name,
    `${count(number)} ${OUTCOMES[name]}${Object.keys(reasons).length ? `: ${reasonsOf(reasons)}` : ""}`,
  ]);
  const { input, recovered } = data.verdict;
  const items = data.outcomes
    .filter(([, number]) => number)
    .map(([name, number, reasons]) =>
      el(
        "li",
        {},
        el("i", { class: `swatch ${name}` }),
        el("b", {}, count(number)),
        ` ${OUTCOMES[name]}`,
        name === "skipped" && el("small", {}, ` (${reasonsOf(reasons)})`),
      ),
    );
  return el(
    "div",
    { class: "accounts" },
    el(
      "div",
      { class: "strip" },
      stackedRow(
        parts,
        parts
          .filter(([number]) => number)
          .map((part) => part[2])
          .join("; ") || "nothing came in",
      ),
    ),
    el(
      "ul",
      {
        class: "legend",
        "aria-label": `What became of ${many(input, "line")}${recovered ? ` and ${count(recovered)} recovered answers` : ""}`,
      },
      items,
      recovered
        ? el(
            "li",
            {},
            el("small", {}, `${count(input)} listed and ${count(recovered)} recovered from a run that did not end`),
          )
        : null,
    ),
  );
}

function asked() {
  const { run } = data;
  const what = run.model ? `custom model ${run.model}` : run.features.join(", ");
  const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
  const facts = el(
    "dl",
    { class: "facts" },
    run.started && fact("when", `${run.started.slice(0, 16).replace("T", " ")} UTC`, el("small", {}, ` ${run.runner}`)),
    run.endpoint && fact("endpoint", foreign(run.endpoint, 120)),
    run.lists.length > 0 &&
      fact(
        run.lists.length === 1 ? "list" : "lists",
        ...run.lists
          .slice(0, 6)
          .flatMap(([name, rows], place) => [
            place ? el("br") : "",
            foreign(name, 120),
            el("small", {}, ` ${count(rows)}`),
          ]),
        run.lists.length > 6 ? ` and ${run.lists.length - 6} more` : "",
      ),
    what && fact("asked", foreign(what, 200), el("small", {}, ` ${joined([run.language, run.api_version])}`)),
    run.rebuilt_from && fact("rebuilt from", foreign(run.rebuilt_from, 200), " without a call"),
  );
  return isNarrow
    ? el("details", { class: "about" }, el("summary", {}, "when, endpoint, list, request"), facts)
    : facts;
}
