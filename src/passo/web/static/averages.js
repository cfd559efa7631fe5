// Averages whose β is moved: raw or corrected, and the weights behind them.
import { asked, embed, inTurn, onChange, words } from "./charts.js";

const form = document.getElementById("play");
const wrong = document.getElementById("wrong");
const corrected = document.getElementById("corrected");
const config = { view: { stroke: null }, font: "system-ui, sans-serif", locale: words.locale, axis: { labelColor: "#2B2F36", titleColor: "#2B2F36", gridColor: "#E6E8EB" }, legend: { labelColor: "#2B2F36" } };
const dashes = [[1, 0], [7, 3], [2, 3], [9, 3, 2, 3]];

const over = (curves, title, height, x, y, behind) => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: "container",
  height,
  background: null,
  layer: [
    ...(behind ? [{ data: { values: behind.map(([x, y]) => ({ x, y })) }, mark: { type: "line", strokeWidth: 1, color: "#878D96", opacity: 0.7 }, encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } }] : []),
    {
      data: { values: curves.flatMap(({ name, points }) => points.map(([x, y]) => ({ name, x, y }))) },
      mark: { type: "line", strokeWidth: 2 },
      encoding: {
        x: { field: "x", type: "quantitative", title: x, scale: { nice: false, zero: false }, axis: { grid: false, tickMinStep: 1 } },
        y: { field: "y", type: "quantitative", title: y, axis: { format: "~g" } },
        color: { field: "name", type: "nominal", title: null, scale: { domain: curves.map((c) => c.name), range: curves.map((c) => c.shade) }, legend: { orient: "top" } },
        strokeDash: { field: "name", type: "nominal", scale: { domain: curves.map((c) => c.name), range: dashes }, title: null },
      },
    },
  ],
  config,
});

const draw = inTurn(async () => {
  const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  try {
    const found = await asked(`/averages/curves?${state}`);
    const named = found.curves.map((one, i) => ({ ...one, name: `β = ${one.beta}` + " ".repeat(i) }));
    const shown = named.map((one) => ({ ...one, points: corrected.checked ? one.corrected : one.raw }));
    const said = found.curves.map(({ told }) => told);
    await embed(document.getElementById("chart"), over(shown, "", 280, words.step, "", found.series), `${found.told}. ${said.join("; ")}`);
    const weighing = named.map((one) => ({ ...one, points: one.weights.map((y, x) => [x, y]) }));
    await embed(document.getElementById("weights"), over(weighing, "", 140, words.ago, words.weight), said.join("; "));
    document.getElementById("of").textContent = found.told;
    document.getElementById("told").replaceChildren(...said.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
    history.replaceState(null, "", `?${state}`);
    wrong.hidden = true;
    document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
  }
});

// A slider's stop is as much more memory everywhere: β = 1 − 10^(−stop).
for (const slider of form.querySelectorAll(".beta")) {
  slider.value = -Math.log10(1 - Number(slider.dataset.beta));
  slider.addEventListener("input", () => {
    const beta = String(Number((1 - 10 ** -Number(slider.value)).toPrecision(4)));
    [slider.nextElementSibling.value, slider.nextElementSibling.nextElementSibling.textContent] = [beta, beta];
    draw();
  });
}
form.addEventListener("input", ({ target }) => {
  if (target.name !== "noise") return;
  target.nextElementSibling.textContent = target.value;
  draw();
});
form.elements.run.addEventListener("change", () => form.submit());
for (const name of ["parameter", "kind"]) form.elements[name]?.addEventListener("change", draw);
corrected.addEventListener("change", draw);
onChange(draw);
draw();
