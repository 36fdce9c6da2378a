// The verdict, what needs a person, what is in the images, how it went, and the runs.

const LIMITS = {
  limit: "the limit",
  window: "held by the window (--max_in_flight)",
  refusals: "held back by the service's refusals",
  share: "held by waiting for a share of the rate",
  outage: "held up by an outage",
};
const OUTCOMES = { analyzed: "analyzed now", dead_letters: "dead letters", deferred: "deferred", skipped: "skipped", duplicates: "duplicates" };
const REASONS = { answered: "answered before", known_bad: "known to be bad", redrives_spent: "called often enough" };
const reasonsOf = (reasons) => Object.entries(reasons).map(([name, number]) => `${count(number)} ${REASONS[name] || spelled(name)}`).join(", ");
const joined = (parts) => parts.filter(Boolean).join(" · ");

function drawVerdict() {
  const { verdict, run, cost, pace } = data;
  const calls = pace.calls.attempts;
  const rate = verdict.per_second ? `${Number(verdict.per_second.toPrecision(3))} images a second${pace.limited_by.length ? `: ${LIMITS[pace.limited_by[0][0]] || pace.limited_by[0][0]}` : ""}` : "";
  const nothing = !calls && verdict.answered === verdict.images ? "nothing new, so no call was made" : calls ? "" : "no call was made";
  const money = cost.amount === null ? "" : `${cost.amount} ${cost.currency}`;
  const what = verdict.images ? `${count(verdict.answered)} of ${count(verdict.images)} analyzed.` : "No image was listed.";
  const need = verdict.need ? (verdict.need === 1 ? "1 needs you." : `${count(verdict.need)} need you.`) : "Nothing needs you.";
  document.title = `${what} ${need}`;
  const emulator = verdict.emulated > 0;
  const all = verdict.emulated === verdict.answers;
  add(
    part("verdict"),
    el("div", { class: "kicker" }, el("span", {}, "Image analysis"), el("span", {}, `run ${run.id}`), emulator && el("strong", { class: "stamp" }, "Emulator")),
    el("h1", {}, what, " ", el(verdict.need ? "a" : "span", { class: verdict.need ? "need" : "good", href: verdict.need ? "#needs" : null }, need)),
    el("p", { class: "lead" }, joined([money, duration(verdict.seconds), rate, nothing])),
    changes(),
    emulator && el("p", { class: "note" }, `${all ? (verdict.answers === 1 ? "The one answer is" : `All ${count(verdict.answers)} answers are`) : `${count(verdict.emulated)} of ${count(verdict.answers)} answers are`} the emulator's: captions, tags, objects and people are made from the pixels, not seen.`),
    accounts(),
    asked(),
    el("nav", { "aria-label": "Parts of the page" },
      el("a", { href: "#pictures" }, "Pictures"),
      data.needs.length > 0 && el("a", { href: "#needs" }, `Needs you`, " ", el("small", {}, count(verdict.need))),
      el("a", { href: "#facets" }, "What is in them"), el("a", { href: "#went" }, "How it went"), el("a", { href: "#runs" }, "Runs")),
  );
}

function changes() {
  const { changed } = data;
  if (!changed) return null;
  const parts = [["new", changed.new], ["fixed", changed.fixed], ["still failing", changed.still]].filter(([, number]) => number);
  const text = parts.length ? parts.map(([name, number]) => `${count(number)} ${name}`).join(", ") : "no failure came or went";
  return el("p", { class: "changes" }, `Since the run before (${changed.since}): ${text}.`);
}

function accounts() {
  const parts = data.outcomes.map(([name, number, reasons]) => [number, name, `${count(number)} ${OUTCOMES[name]}${Object.keys(reasons).length ? `: ${reasonsOf(reasons)}` : ""}`]);
  const { input, recovered } = data.verdict;
  const items = data.outcomes.filter(([, number]) => number).map(([name, number, reasons]) =>
    el("li", {}, el("i", { class: `swatch ${name}` }), el("b", {}, count(number)), ` ${OUTCOMES[name]}`, name === "skipped" && el("small", {}, ` (${reasonsOf(reasons)})`)));
  return el("div", { class: "accounts" },
    el("div", { class: "strip" }, stackedRow(parts, parts.filter(([number]) => number).map((part) => part[2]).join("; ") || "nothing came in")),
    el("ul", { class: "legend", "aria-label": `What became of ${many(input, "line")}${recovered ? ` and ${count(recovered)} recovered answers` : ""}` }, items,
      recovered ? el("li", {}, el("small", {}, `${count(input)} listed and ${count(recovered)} recovered from a run that did not end`)) : null));
}

function asked() {
  const { run } = data;
  const what = run.model ? `custom model ${run.model}` : run.features.join(", ");
  const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
  return el("dl", { class: "facts" },
    run.started && fact("when", `${run.started.slice(0, 16).replace("T", " ")} UTC`, el("small", {}, ` ${run.runner}`)),
    run.endpoint && fact("endpoint", foreign(run.endpoint, 120)),
    run.lists.length > 0 && fact(run.lists.length === 1 ? "list" : "lists", ...run.lists.slice(0, 6).flatMap(([name, rows], place) => [place ? el("br") : "", foreign(name, 120), el("small", {}, ` ${count(rows)}`)]), run.lists.length > 6 ? ` and ${run.lists.length - 6} more` : ""),
    what && fact("asked", foreign(what, 200), el("small", {}, ` ${joined([run.language, run.api_version])}`)),
    run.rebuilt_from && fact("rebuilt from", foreign(run.rebuilt_from, 200), " without a call"));
}

function thumbs(numbers, most, name) {
  const shown = numbers.slice(0, most);
  return el("div", { class: "thumbs" }, shown.map((number, place) => {
    const one = smallTile(number);
    one.addEventListener("click", () => openLight(numbers, place, () => one.focus()));
    return one;
  }), numbers.length > most ? el("button", { type: "button", class: "small", onclick: () => showOnly(numbers, name) }, `all ${count(numbers.length)} of the sheet`) : null);
}

function drawNeeds() {
  const section = part("needs");
  if (!data.needs.length) { section.remove(); return; }
  const { verdict } = data;
  add(section, el("h2", { id: "needs-title" }, "What needs you"));
  for (const [place, title] of [["dead_letter", "Failed"], ["deferred", "Deferred: not called to the end, through no fault of their own"]]) {
    const groups = data.needs.filter((group) => group.place === place);
    if (groups.length) add(section, el("h3", {}, title), ...groups.map(needGroup));
  }
  if (verdict.elsewhere) add(section, el("p", { class: "note" }, `${many(verdict.elsewhere, "more image")} of other lists in this folder ${verdict.elsewhere === 1 ? "is" : "are"} open; image-analysis-beam show ${data.run.folder} failures prints them.`));
}

function needGroup(group) {
  const pictured = group.images.filter((number) => thumbnails(number));
  const where = ([uri, list, position]) => el("li", {}, el("code", {}, foreign(uri, 160)), list && el("small", {}, " ", foreign(position ? `${list}:${position}` : list, 120)));
  const first = group.uris.slice(0, 5), rest = group.uris.slice(5);
  const uris = () => group.uris.map(([uri]) => uri).join("\n");
  const several = group.uris.length === group.number ? many(group.number, "URI") : `the first ${count(group.uris.length)} URIs`;
  return el("article", { class: `group ${group.place}` },
    el("header", {}, el("b", { class: "number" }, count(group.number)), el("h4", {}, spelled(group.reason)), group.meaning && el("p", {}, group.meaning)),
    el("div", { class: "do" },
      el("p", {}, el("strong", {}, group.what_to_do), "; ", group.next.join("; ").replaceAll("; call it with", ", call it with"), "."),
      group.messages.map(([text, facts]) => el("p", { class: "message" }, foreign(text), facts && el("small", {}, ` ${facts}`))),
      pictured.length > 0 && thumbs(pictured, 12, spelled(group.reason)),
      el("ul", { class: "uris" }, first.map(where)),
      rest.length > 0 && el("details", {}, el("summary", {}, `${count(rest.length)} more`), el("ul", { class: "uris" }, rest.slice(0, 500).map(where))),
      el("p", { class: "buttons" },
        copyButton(`Copy ${several}`, several, uris),
        copyButton("Copy the command", "command", () => group.command),
        el("a", { href: group.link, rel: "noreferrer" }, "Troubleshooting"))));
}

function drawFacets() {
  const { facets } = data;
  const section = part("facets");
  const named = Object.entries(facets.names), sure = Object.entries(facets.confidences);
  add(section, el("h2", { id: "facets-title" }, "What is in them"));
  if (!data.verdict.answers) { add(section, el("p", { class: "note" }, "No image was answered.")); return; }
  add(section, el("div", { class: "columns" }, named.map(([table, found]) => names(table, found))));
  if (sure.length) add(section, el("h3", {}, "How sure"), el("div", { class: "columns small" }, sure.map(([table, bins]) => confidences(table, bins))));
  add(section, el("div", { class: "columns small" }, textFound(), sizes(), formats(), ...facets.odd.map(oddity)));
}

function names(table, found) {
  const isTag = table.endsWith("tags");
  const most = found.most.slice(0, 15);
  const box = el("ul", { class: "names" });
  const draw = () => {
    const from = Math.round(state.least * 20);
    const rows = found.most.map(([name, bins]) => [name, bins.slice(from).reduce((sum, number) => sum + number, 0)]);
    const shown = rows.filter(([, number]) => number).sort((a, b) => b[1] - a[1]).slice(0, most.length);
    const top = shown.length ? shown[0][1] : 1;
    box.replaceChildren(...shown.map(([name, number]) => el("li", {}, el("button", { type: "button", title: "show them in the contact sheet", onclick: () => {
      clearFilters();
      filters[isTag ? "tag" : "object"] = name;
      goToSheet();
    } }, el("bdi", { dir: "auto" }, name.slice(0, 80)), meter(number / top), el("span", { class: "number" }, count(number))))));
  };
  onLeast(draw);
  draw();
  return el("div", {}, el("h3", {}, spelled(table), " ", el("small", {}, `${many(found.different, "name")}, ${count(found.total)} times; a click shows them`)), box);
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
  return el("figure", {}, el("figcaption", {}, spelled(table)), chart, el("div", { class: "ticks", "aria-hidden": "true" }, el("span", {}, "0"), el("span", {}, "0.5"), el("span", {}, "1")), told);
}

function textFound() {
  const { text } = data.facets;
  if (!text.asked && !text.lines) return null;
  const numbers = images.map((_, number) => number).filter((number) => shapesOf(images[number], textLayer).length);
  return el("div", {}, el("h3", {}, "Text"), el("p", {}, `${many(text.lines, "line")} in ${many(text.images, "image")}, of ${count(text.asked)} that were asked for it.`), numbers.length > 0 && thumbs(numbers, 6, "with text"));
}

function bars(title, rows) {
  const top = Math.max(...rows.map(([, number]) => number), 1);
  return el("div", {}, el("h3", {}, title), el("ul", { class: "names plain" }, rows.map(([name, number]) => el("li", {}, el("bdi", { dir: "auto" }, name), meter(number / top), el("span", { class: "number" }, count(number))))));
}

const sizes = () => data.facets.sides.length > 0 && bars("Longest side", data.facets.sides.map(([to, number]) => [`to ${count(to)} px`, number]));
const formats = () => data.facets.formats.length > 0 && bars("File names end in", data.facets.formats.map(([name, number]) => [name || "nothing known", number]));
const oddity = (one) => el("div", {}, el("h3", {}, one.name[0].toUpperCase() + one.name.slice(1), one.number === null ? "" : el("small", {}, ` ${count(one.number)}`)), one.images.length > 0 ? thumbs(one.images, 6, one.name) : el("p", { class: "note" }, "None is in the sheet."));

function drawWent() {
  const { pace, cost } = data;
  const section = part("went");
  add(section, el("h2", { id: "went-title" }, "How it went"));
  if (pace.steps.length) add(section, paceFigure(pace));
  else add(section, el("p", { class: "note" }, "No call was made in this run."));
  if (pace.latencies.length) add(section, latencyFigure(pace));
  const figure = (name, value) => value !== null && value !== "" && el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const waited = pace.limited_by.reduce((sum, [, seconds]) => sum + seconds, 0);
  const { calls } = pace;
  add(section, el("dl", { class: "figures" },
    figure("attempts", count(calls.attempts)), figure("of them retries", count(calls.retries)),
    calls.attempts && calls.processes ? figure("members (processes)", count(calls.processes)) : null,
    waited ? figure("what the pace waited for", pace.limited_by.map(([name, seconds]) => `${name} ${Math.round((100 * seconds) / waited)}%`).join(", ")) : null,
    calls.throttled_seconds ? figure("waited for the limit", duration(calls.throttled_seconds)) : null,
    calls.breaker_openings ? figure("pauses after outages", count(calls.breaker_openings)) : null,
    Object.entries(pace.latency).map(([name, value]) => figure(`${name} of all attempts`, duration(value)))));
  if (pace.attempts.length) add(section, el("div", { class: "columns" }, bars("Attempts", pace.attempts.map(([name, number]) => [spelled(name), number])), costs(cost)));
  else add(section, costs(cost));
  for (const [which, reason] of Object.entries(pace.closed)) add(section, el("p", { class: "note" }, "Closed: ", foreign(`${which}: ${typeof reason === "string" ? reason : count(reason)}`), "; the others went on."));
  if (data.run.unknown_fields.length) add(section, el("p", { class: "note" }, "Fields that no table has yet (kept in responses): ", data.run.unknown_fields.flatMap(([name, number]) => [el("code", {}, foreign(name, 80)), ` ${count(number)} `])));
}

function paceFigure(pace) {
  const { most, svg: drawn } = timeline(pace.steps, pace.step, pace.limit);
  const first = pace.steps[0][0], last = pace.steps[pace.steps.length - 1][0] + pace.step;
  const key = (kind, text) => el("li", {}, el("i", { class: `swatch ${kind}` }), text);
  const states = ["throttled", "outage"].map((name) => [name, pace.steps.filter((step) => step[4] === name).length * pace.step]).filter(([, long]) => long);
  const place = el("div", {});
  place.style.maxWidth = `max(16rem, ${pace.steps.length * 5}rem)`;
  return el("figure", { class: "pace" },
    el("figcaption", {}, "Attempts a second ", el("small", {}, joined([`at most ${Number(most.toPrecision(3))}`, pace.limit && `the limit is ${pace.limit}`, pace.step > 1 && `in steps of ${pace.step} s`]))),
    add(place, el("div", { class: "chart" }, drawn), el("div", { class: "ticks" }, el("span", {}, clock(first)), el("span", {}, `${clock(last)} UTC`))),
    el("ul", { class: "legend" }, key("answered", "answered"), pace.steps.some((step) => step[2]) && key("throttled", "throttled (429)"), pace.steps.some((step) => step[3]) && key("failed", "other faults"), pace.limit && key("limit", "limit"),
      states.map(([name, long]) => key(`shade ${name}`, `${name === "throttled" ? "the service throttled" : "outage: no answer came"}, ${duration(long)}`))));
}

function latencyFigure(pace) {
  const { top, svg: drawn } = percentiles(pace.latencies);
  const points = pace.latencies;
  if (points.length < 4) return "";
  return el("figure", {}, el("figcaption", {}, "Latency of answers ", el("small", {}, `at most ${duration(top / 1000)} at the 99th percentile`)),
    el("div", { class: "chart low" }, drawn),
    el("div", { class: "ticks" }, el("span", {}, clock(points[0][0])), el("span", {}, `${clock(points[points.length - 1][0])} UTC`)),
    el("ul", { class: "legend" }, ["p50", "p90", "p99"].map((name) => el("li", {}, el("i", { class: `swatch ${name}` }), name))));
}

function costs(cost) {
  const row = (name, value) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value));
  const amount = (value) => `${value} ${cost.currency}`;
  return el("div", {}, el("h3", {}, "Cost"), el("table", { class: "costs" }, el("tbody", {},
    cost.amount !== null && row("spent, about", amount(cost.amount)),
    cost.recovered && row("of it, by a run that did not end", amount(cost.recovered)),
    cost.maybe && row("besides, if calls without an answer were billed", amount(cost.maybe)),
    row(`saved: ${count(cost.known)} skipped, ${many(cost.duplicates, "duplicate")}`, amount(cost.saved)),
    cost.transactions.map(([name, number]) => row(`transactions of ${name}`, count(number))),
    row("billed calls, as the service reported", count(cost.reported_units)))),
    el("p", { class: "note" }, `At ${cost.prices} per thousand transactions. What counts is the invoice.`));
}

const dayOf = (run) => run.replace(/^(\d{4})(\d\d)(\d\d)T.*/, "$1-$2-$3");

function openOverTime(open) {
  const numbers = open.map(([, number]) => number);
  const most = Math.max(...numbers);
  return el("figure", {}, el("figcaption", {}, "Open after each run ", el("small", {}, `at most ${count(most)}, now ${count(numbers[numbers.length - 1])}`)),
    el("div", { class: "chart low" }, area(numbers, `Images that were open after each run: at most ${most}, now ${numbers[numbers.length - 1]}`)),
    el("div", { class: "ticks" }, el("span", {}, dayOf(open[0][0])), el("span", {}, dayOf(open[open.length - 1][0]))));
}

function costByMonth(months) {
  const top = Math.max(...months.map((row) => row[3]), 0.01);
  return el("div", {}, el("h3", {}, "Cost by month"), months.length ? el("ul", { class: "names plain" }, months.map(([month, currency, transactions, amount]) =>
    el("li", { title: many(transactions, "transaction") }, month, meter(amount / top), el("span", { class: "number" }, `${amount.toFixed(2)} ${currency}`)))) : el("p", { class: "note" }, "Nothing was spent."));
}

function drawRuns() {
  const section = part("runs");
  const { number, rows } = data.runs;
  const columns = ["input", "analyzed", "dead_letters", "deferred", "skipped", "duplicates", "attempts"];
  add(section, el("h2", { id: "runs-title" }, number === 1 ? "The run" : "All runs"),
    el("p", { class: "note" }, el("code", {}, foreign(data.run.folder)), ` holds ${many(number, "committed run")}.`, rows.length < number ? ` Below are the newest ${rows.length}.` : "", data.runs.open ? "" : " report with --all shows their history."),
    data.runs.open && el("div", { class: "columns" }, number > 1 && openOverTime(data.runs.open), costByMonth(data.runs.months)),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" }, el("table", { class: "runs" },
      el("thead", {}, el("tr", {}, ["run", ...columns.map(spelled), "cost"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows.map((row) => el("tr", { class: row.run_id === data.run.id ? "chosen" : null }, el("th", { scope: "row" }, row.run_id), columns.map((name) => el("td", {}, count(row[name] || 0))), el("td", {}, row.amount === null ? "" : `${row.amount.toFixed(2)} ${row.currency}`)))))));
}

function drawFoot() {
  const versions = Object.entries(data.run.versions).map(([name, version]) => `${name} ${version}`);
  add(part("foot"), el("p", {}, `Made ${data.made} from committed runs only; nothing was called, and nothing is fetched. ${joined(versions)}`));
}

drawVerdict();
drawSheet();
drawNeeds();
drawFacets();
drawWent();
drawRuns();
drawFoot();
