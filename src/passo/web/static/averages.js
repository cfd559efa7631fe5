// Averages whose β is moved: raw or corrected, and the weights behind them.
import { asked, embed, inTurn, onChange } from "./charts.js";
import { beside } from "./sliders.js";

const form = document.getElementById("play");
const wrong = document.getElementById("wrong");
const corrected = document.getElementById("corrected");

const query = () => {
  const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  state.set("start", corrected.checked ? "corrected" : "raw");
  return state;
};

const draw = inTurn(async () => {
  const state = query();
  try {
    const found = await asked(`/averages/curves?${state}`);
    for (const [i, place] of ["chart", "weights"].entries())
      await embed(document.getElementById(place), found.specs[i], found.sentences[i]);
    document.getElementById("of").textContent = found.of;
    document.getElementById("told").replaceChildren(...found.told.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
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
    const beta = Number((1 - 10 ** -Number(slider.value)).toPrecision(4));
    slider.nextElementSibling.value = String(beta);
    beside(slider, beta);
    draw();
  });
}
form.addEventListener("input", ({ target }) => {
  if (target.name !== "noise") return;
  beside(target);
  draw();
});
form.elements.run.addEventListener("change", () => form.submit());
for (const name of ["parameter", "kind"]) form.elements[name]?.addEventListener("change", draw);
corrected.addEventListener("change", draw);
onChange(draw);
draw();
