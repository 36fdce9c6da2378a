// The runs of the folder; and all parts, drawn in their order.

const dayOf = (run) => run.replace(/^(\d{4})(\d\d)(\d\d)T.*/, "$1-$2-$3");

function openOverTime(open) {
  const numbers = open.map(([, number]) => number);
  const most = Math.max(...numbers);
  return el(
    "figure",
    {},
    el(
      "figcaption",
      {},
      "Open after each run ",
      el("small", {}, `at most ${count(most)}, now ${count(numbers[numbers.length - 1])}`),
    ),
    el(
      "div",
      { class: "chart low" },
      area(numbers, `Images that were open after each run: at most ${most}, now ${numbers[numbers.length - 1]}`),
    ),
    el("div", { class: "ticks" }, el("span", {}, dayOf(open[0][0])), el("span", {}, dayOf(open[open.length - 1][0]))),
  );
}

function costByMonth(months) {
  const top = Math.max(...months.map((row) => row[3]), 0.01);
  return el(
    "div",
    {},
    el("h3", {}, "Cost by month"),
    months.length
      ? el(
          "ul",
          { class: "names plain" },
          months.map(([month, currency, transactions, amount]) =>
            el(
              "li",
              { title: many(transactions, "transaction") },
              month,
              meter(amount / top),
              el("span", { class: "number" }, `${amount.toFixed(2)} ${currency}`),
            ),
          ),
        )
      : el("p", { class: "note" }, "Nothing was spent."),
  );
}

function drawRuns() {
  const section = part("runs");
  const { number, rows } = data.runs;
  const columns = ["input", "analyzed", "dead_letters", "deferred", "skipped", "duplicates", "attempts"];
  add(
    section,
    el("h2", { id: "runs-title" }, number === 1 ? "The run" : "All runs"),
    el(
      "p",
      { class: "note" },
      el("code", {}, foreign(data.run.folder)),
      ` holds ${many(number, "committed run")}.`,
      rows.length < number ? ` Below are the newest ${rows.length}.` : "",
      data.runs.open ? "" : " report with --all shows their history.",
    ),
    data.runs.open &&
      el("div", { class: "columns" }, number > 1 && openOverTime(data.runs.open), costByMonth(data.runs.months)),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" },
      el(
        "table",
        { class: "runs" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["run", ...columns.map(spelled), "cost"].map((name) => el("th", { scope: "col" }, name)),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map((row) =>
            el(
              "tr",
              { class: row.run_id === data.run.id ? "chosen" : null },
              el("th", { scope: "row" }, row.run_id),
              columns.map((name) => el("td", {}, count(row[name] || 0))),
              el("td", {}, row.amount === null ? "" : `${row.amount.toFixed(2)} ${row.currency}`),
            ),
          ),
        ),
      ),
    ),
  );
}

function drawFoot() {
  const versions = Object.entries(data.run.versions).map(([name, version]) => `${name} ${version}`);
  add(
    part("foot"),
    el(
      "p",
      {},
      `Made ${data.made} from committed runs only; nothing was called, and nothing is fetched. ${joined(versions)}`,
    ),
  );
}

drawVerdict();
drawSheet();
drawNeeds();
drawFacets();
drawWent();
drawRuns();
drawFoot();
