// Curves of several runs over each other; while one of them trains, they are asked for again every two seconds.
import { asked, embed, inTurn, onChange, words } from "./charts.js";
import { written } from "./sliders.js";

const { metric, runs, live } = JSON.parse(document.getElementById("overlaid").textContent);
const logarithmic = document.getElementById("logarithmic");
const wrong = document.getElementById("wrong");
const names = runs.map(({ name }) => name);

const specification = (values) => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: "container",
  height: 340,
  background: null,
  data: { values },
  mark: { type: "line", strokeWidth: 1.6, tooltip: true },
  encoding: {
    x: { field: "x", type: "quantitative", title: words.step, scale: { nice: false, zero: false }, axis: { grid: false, tickMinStep: 1 } },
    y: { field: "y", type: "quantitative", title: metric, scale: { zero: false, type: logarithmic.checked ? "log" : "linear" }, axis: { format: "~g", tickCount: 6 } },
    color: { field: "run", type: "nominal", title: null, scale: { domain: names, range: runs.map(({ shade }) => shade) }, legend: { orient: "top", columns: 2, labelLimit: 420 } },
    strokeDash: { field: "run", type: "nominal", title: null, scale: { domain: names, range: runs.map(({ dash }) => dash) } },
  },
  config: { view: { stroke: null }, font: "system-ui, sans-serif", locale: words.locale, axis: { labelColor: "#2B2F36", titleColor: "#2B2F36", gridColor: "#E6E8EB" }, legend: { labelColor: "#2B2F36" } },
});

const draw = inTurn(async () => {
  try {
    const found = await Promise.all(runs.map(async ({ name, series }) => ({ name, ...(await asked(series)) })));
    const values = [];
    const said = [];
    for (const { name, curves } of found) {
      const { x = [], y = [] } = curves[metric] ?? {};
      x.forEach((step, i) => (y[i] === null || !logarithmic.checked || y[i] > 0) && values.push({ run: name, x: step, y: y[i] }));
      const last = y.findLast((value) => value !== null);
      said.push(`${name}: ${last === undefined ? "–" : written(Number(last.toPrecision(4)))}`);
    }
    await embed(document.getElementById("chart"), specification(values), `${metric}. ${said.join("; ")}`);
    wrong.hidden = true;
    document.documentElement.dataset.drawn = "1";
    if (live && found.some(({ status }) => status === "running")) setTimeout(draw, 2000);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
    if (live) setTimeout(draw, 5000);
  }
});

logarithmic.addEventListener("change", () => draw());
onChange(() => draw());
draw();
