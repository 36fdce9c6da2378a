// How it went: pace, latency, attempts and cost of the run.

function drawWent() {
  const { pace, cost } = data;
  const section = part("went");
  add(section, el("h2", { id: "went-title" }, "How it went"));
  if (pace.steps.length) add(section, paceFigure(pace));
  else add(section, el("p", { class: "note" }, "No call was made in this run."));
  if (pace.latencies.length) add(section, latencyFigure(pace));
  const figure = (name, value) =>
    value !== null && value !== "" && el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const waited = pace.limited_by.reduce((sum, [, seconds]) => sum + seconds, 0);
  const { calls } = pace;
  add(
    section,
    el(
      "dl",
      { class: "figures" },
      figure("attempts", count(calls.attempts)),
      figure("of them retries", count(calls.retries)),
      calls.attempts && calls.processes ? figure("members (processes)", count(calls.processes)) : null,
      waited
        ? figure(
            "what the pace waited for",
            pace.limited_by.map(([name, seconds]) => `${name} ${Math.round((100 * seconds) / waited)}%`).join(", "),
          )
        : null,
      calls.throttled_seconds ? figure("waited for the limit", duration(calls.throttled_seconds)) : null,
      calls.breaker_openings ? figure("pauses after outages", count(calls.breaker_openings)) : null,
      Object.entries(pace.latency).map(([name, value]) => figure(`${name} of all attempts`, duration(value))),
    ),
  );
  if (pace.attempts.length)
    add(
      section,
      el(
        "div",
        { class: "columns" },
        bars(
          "Attempts",
          pace.attempts.map(([name, number]) => [spelled(name), number]),
        ),
        costs(cost),
      ),
    );
  else add(section, costs(cost));
  for (const [which, reason] of Object.entries(pace.closed))
    add(
      section,
      el(
        "p",
        { class: "note" },
        "Closed: ",
        foreign(`${which}: ${typeof reason === "string" ? reason : count(reason)}`),
        "; the others went on.",
      ),
    );
  if (data.run.unknown_fields.length)
    add(
      section,
      el(
        "p",
        { class: "note" },
        "Fields that no table has yet (kept in responses): ",
        data.run.unknown_fields.flatMap(([name, number]) => [el("code", {}, foreign(name, 80)), ` ${count(number)} `]),
      ),
    );
}

function paceFigure(pace) {
  const { most, svg: drawn } = timeline(pace.steps, pace.step, pace.limit);
  const first = pace.steps[0][0],
    last = pace.steps[pace.steps.length - 1][0] + pace.step;
  const key = (kind, text) => el("li", {}, el("i", { class: `swatch ${kind}` }), text);
  const states = ["throttled", "outage"]
    .map((name) => [name, pace.steps.filter((step) => step[4] === name).length * pace.step])
    .filter(([, long]) => long);
  const place = el("div", {});
  place.style.maxWidth = `max(16rem, ${pace.steps.length * 5}rem)`;
  return el(
    "figure",
    { class: "pace" },
    el(
      "figcaption",
      {},
      "Attempts a second ",
      el(
        "small",
        {},
        joined([
          `at most ${Number(most.toPrecision(3))}`,
          pace.limit && `the limit is ${pace.limit}`,
          pace.step > 1 && `in steps of ${pace.step} s`,
        ]),
      ),
    ),
    add(
      place,
      el("div", { class: "chart" }, drawn),
      el("div", { class: "ticks" }, el("span", {}, clock(first)), el("span", {}, `${clock(last)} UTC`)),
    ),
    el(
      "ul",
      { class: "legend" },
      key("answered", "answered"),
      pace.steps.some((step) => step[2]) && key("throttled", "throttled (429)"),
      pace.steps.some((step) => step[3]) && key("failed", "other faults"),
      pace.limit && key("limit", "limit"),
      states.map(([name, long]) =>
        key(
          `shade ${name}`,
          `${name === "throttled" ? "the service throttled" : "outage: no answer came"}, ${duration(long)}`,
        ),
      ),
    ),
  );
}

function latencyFigure(pace) {
  const { top, svg: drawn } = percentiles(pace.latencies);
  const points = pace.latencies;
  if (points.length < 4) return "";
  return el(
    "figure",
    {},
    el(
      "figcaption",
      {},
      "Latency of answers ",
      el("small", {}, `at most ${duration(top / 1000)} at the 99th percentile`),
    ),
    el("div", { class: "chart low" }, drawn),
    el(
      "div",
      { class: "ticks" },
      el("span", {}, clock(points[0][0])),
      el("span", {}, `${clock(points[points.length - 1][0])} UTC`),
    ),
    el(
      "ul",
      { class: "legend" },
      ["p50", "p90", "p99"].map((name) => el("li", {}, el("i", { class: `swatch ${name}` }), name)),
    ),
  );
}

function costs(cost) {
  const row = (name, value) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value));
  const amount = (value) => `${value} ${cost.currency}`;
  return el(
    "div",
    {},
    el("h3", {}, "Cost"),
    el(
      "table",
      { class: "costs" },
      el(
        "tbody",
        {},
        cost.amount !== null && row("spent, about", amount(cost.amount)),
        cost.recovered && row("of it, by a run that did not end", amount(cost.recovered)),
        cost.maybe && row("besides, if calls without an answer were billed", amount(cost.maybe)),
        row(
          `saved: ${count(cost.known)} skipped, ${many(cost.duplicates, "duplicate")}, ${many(cost.copies, "copy", "copies")}`,
          amount(cost.saved),
        ),
        cost.fitted &&
          row(
            `not sent, as --fit made ${many(cost.fitted.images, "image")} smaller`,
            megabytes(cost.fitted.bytes_saved),
          ),
        cost.transactions.map(([name, number]) => row(`transactions of ${name}`, count(number))),
        row("billed calls, as the service reported", count(cost.reported_units)),
      ),
    ),
    el("p", { class: "note" }, `At ${cost.prices} per thousand transactions. What counts is the invoice.`),
  );
}
