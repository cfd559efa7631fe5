// Schedules that answer while their form is changed.
import { asked, embed, inTurn, onChange } from "./charts.js";
import { beside, written } from "./sliders.js";

const form = document.getElementById("play");
const wrong = document.getElementById("wrong");

const draw = inTurn(async () => {
  const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  try {
    const { curves, spec, sentence } = await asked(`${form.dataset.curves}?${state}`);
    await embed(document.getElementById("chart"), spec, sentence);
    const row = (one) => {
      const tr = document.createElement("tr");
      const cell = (tag, text, look) => tr.append(Object.assign(document.createElement(tag), { textContent: text, className: look }));
      cell("th", one.spec, "");
      for (const key of ["first", "least", "most", "last"]) cell("td", written(Number(one[key].toPrecision(4))), "number");
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
  beside(target);
  draw();
});
form.addEventListener("change", ({ target }) => { if (target.type !== "range") draw(); });
form.addEventListener("submit", (event) => { event.preventDefault(); draw(); });
onChange(draw);
draw();
