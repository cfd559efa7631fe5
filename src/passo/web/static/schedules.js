// Schedules that answer while their form is changed.
import { asked, embed, inTurn, onChange, words } from "./charts.js";

const form = document.getElementById("play");
const wrong = document.getElementById("wrong");

const specification = (curves) => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: "container",
  height: 300,
  background: null,
  data: { values: curves.flatMap(({ spec, points }) => points.map(([x, y]) => ({ spec, x, y }))) },
  mark: { type: "line", interpolate: "step-after", strokeWidth: 1.8 },
  encoding: {
    x: { field: "x", type: "quantitative", title: words.epoch, scale: { nice: false }, axis: { grid: false } },
    y: { field: "y", type: "quantitative", title: words.rate, axis: { format: "~g", tickCount: 6 } },
    color: { field: "spec", type: "nominal", title: null, scale: { domain: curves.map((c) => c.spec), range: curves.map((c) => c.shade) }, legend: { orient: "top", columns: 2, labelLimit: 420 } },
    strokeDash: { field: "spec", type: "nominal", scale: { domain: curves.map((c) => c.spec), range: [[1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4]] }, title: null },
  },
  config: { view: { stroke: null }, font: "system-ui, sans-serif", locale: words.locale, axis: { labelColor: "#2B2F36", titleColor: "#2B2F36", gridColor: "#E6E8EB" }, legend: { labelColor: "#2B2F36" } },
});

const draw = inTurn(async () => {
  const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  try {
    const { curves } = await asked(`${form.dataset.curves}?${state}`);
    const told = curves.map(({ spec, first, last }) => `${spec}: ${first.toPrecision(3)} → ${last.toPrecision(3)}`).join("; ");
    await embed(document.getElementById("chart"), specification(curves), told);
    const row = (one) => {
      const tr = document.createElement("tr");
      const cell = (tag, text, look) => tr.append(Object.assign(document.createElement(tag), { textContent: text, className: look }));
      cell("th", one.spec, "");
      for (const key of ["first", "least", "most", "last"]) cell("td", String(Number(one[key].toPrecision(4))).replace(".", words.point), "number");
      return tr;
    };
    document.querySelector("#told tbody").replaceChildren(...curves.map(row));
    history.replaceState(null, "", `?${state}`);
    wrong.hidden = true;
    document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
  }
});

form.addEventListener("input", ({ target }) => {
  if (target.type !== "range") return;
  target.nextElementSibling.textContent = target.value;
  draw();
});
form.addEventListener("change", ({ target }) => { if (target.type !== "range") draw(); });
form.addEventListener("submit", (event) => { event.preventDefault(); draw(); });
onChange(draw);
draw();
