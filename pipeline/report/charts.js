// Charts as SVG. They stretch to their place; what is to be read stands beside them as text.

const HIGH = 100;

function plot(width, label, ...parts) {
  return svg(
    "svg",
    { class: "plot", role: "img", "aria-label": label, viewBox: `0 0 ${width} ${HIGH}`, preserveAspectRatio: "none" },
    ...parts,
  );
}

function rect(x, y, width, height, kind, title) {
  return svg(
    "rect",
    { class: kind, x, y, width: Math.max(width, 0), height: Math.max(height, 0) },
    title && svg("title", {}, title),
  );
}

/** One horizontal bar of `[number, class, title]`, next to each other. */
function stackedRow(parts, label) {
  const total = parts.reduce((sum, [number]) => sum + number, 0) || 1;
  let x = 0;
  const rects = parts
    .filter(([number]) => number)
    .map(([number, kind, title]) => {
      const width = (number / total) * 1000;
      x += width;
      return rect(x - width, 0, width, HIGH, kind, title);
    });
  return plot(1000, label, rects);
}

const meter = (share) =>
  svg(
    "svg",
    { class: "plot", viewBox: `0 0 1000 ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    rect(0, 0, 1000 * share, HIGH, "bar"),
  );

/** Bars by confidence; those below the threshold are pale. */
function histogram(bins, label) {
  const top = Math.max(...bins) || 1;
  return plot(
    bins.length,
    label,
    bins.map((number, place) => {
      const height = number ? Math.max((number / top) * HIGH, 1.5) : 0;
      const from = place / bins.length;
      const kind = from + 1e-9 >= state.least ? "bar" : "bar pale";
      return rect(
        place + 0.06,
        HIGH - height,
        0.88,
        height,
        kind,
        `${from.toFixed(2)} to ${(from + 1 / bins.length).toFixed(2)}: ${count(number)}`,
      );
    }),
  );
}

/** Attempts a second, stacked; what the service did is shaded, and the limit is a line. */
function timeline(steps, step, limit) {
  const rate = ([, answered, throttled, failed]) => (answered + throttled + failed) / step;
  const most = Math.max(...steps.map(rate), 0);
  const top = Math.max(most, limit || 0) * 1.05 || 1;
  const shades = steps.map(([, , , , kind], place) => kind && rect(place, 0, 1.01, HIGH, `shade ${kind}`, kind));
  const bars = steps.flatMap(([at, answered, throttled, failed], place) => {
    let y = HIGH;
    return [
      [answered, "answered"],
      [throttled, "throttled"],
      [failed, "failed"],
    ]
      .filter(([number]) => number)
      .map(([number, kind]) => {
        const height = Math.max((number / step / top) * HIGH, 0.8);
        y -= height;
        return rect(
          place + 0.04,
          y,
          0.92,
          height,
          kind,
          `${clock(at)}: ${count(answered)} answered, ${count(throttled)} throttled, ${count(failed)} failed`,
        );
      });
  });
  const y = HIGH - (HIGH * (limit || 0)) / top;
  const line = limit && svg("line", { class: "limit", x1: 0, x2: steps.length, y1: y, y2: y });
  return {
    most,
    svg: plot(
      steps.length,
      `Attempts a second over time, at most ${most.toPrecision(3)}${limit ? `; the limit is ${limit}` : ""}`,
      shades,
      bars,
      line,
    ),
  };
}

/** Three lines over time: percentiles of latency. */
function percentiles(points) {
  const top = Math.max(...points.map((point) => point[3])) || 1;
  const first = points[0][0],
    span = points[points.length - 1][0] - first || 1;
  const steps = points
    .slice(1)
    .map((point, place) => point[0] - points[place][0])
    .sort((a, b) => a - b);
  const gap = 3.5 * (steps[Math.floor(steps.length / 2)] || 1); // where no answer came for so long, the line is broken
  const parts = [[]];
  points.forEach((point, place) => {
    if (place && point[0] - points[place - 1][0] > gap) parts.push([]);
    parts[parts.length - 1].push(point);
  });
  const at = (point, column) => `${((point[0] - first) / span) * 1000},${HIGH - (point[column] / top) * HIGH * 0.98}`;
  const lines = [
    [3, "p99"],
    [2, "p90"],
    [1, "p50"],
  ].flatMap(([column, name]) =>
    parts.map((part) => svg("polyline", { class: name, points: part.map((point) => at(point, column)).join(" ") })),
  );
  return { top, svg: plot(1000, `Latency over time: the 99th percentile is at most ${duration(top / 1000)}`, lines) };
}

/** A line of numbers over time, filled below. */
function area(numbers, label) {
  const top = Math.max(...numbers) || 1;
  const step = 1000 / Math.max(numbers.length - 1, 1);
  const points = numbers.map((number, place) => `${place * step},${HIGH - (number / top) * HIGH * 0.98}`);
  if (points.length === 1) points.push(`1000,${points[0].split(",")[1]}`);
  return plot(
    1000,
    label,
    svg("polygon", { class: "area", points: `0,${HIGH} ${points.join(" ")} 1000,${HIGH}` }),
    svg("polyline", { class: "edge", points: points.join(" ") }),
  );
}

/** Names or kinds with their numbers, as bars. */
function bars(title, rows) {
  const top = Math.max(...rows.map(([, number]) => number), 1);
  return el(
    "div",
    {},
    el("h3", {}, title),
    el(
      "ul",
      { class: "names plain" },
      rows.map(([name, number]) =>
        el(
          "li",
          {},
          el("bdi", { dir: "auto" }, name),
          meter(number / top),
          el("span", { class: "number" }, count(number)),
        ),
      ),
    ),
  );
}
