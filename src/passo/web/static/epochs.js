// The steps of a run: the mini-batch of the one that the slider stands on.
import { inTurn } from "./charts.js";

const form = document.getElementById("steps");
const place = document.getElementById("batch");
const wrong = document.getElementById("wrong");
const exact = document.getElementById("exact");
const slider = form.elements.step;

const show = inTurn(async () => {
  const answer = await fetch(`${form.dataset.address}?step=${slider.value}`, { headers: { accept: "application/json" } });
  const text = await answer.text();
  wrong.hidden = answer.ok;
  if (answer.ok) {
    place.innerHTML = text;
    place.dataset.step = slider.value;
    history.replaceState(null, "", `?step=${slider.value}`);
  } else wrong.textContent = JSON.parse(text).error;
});

slider.addEventListener("input", () => { exact.value = slider.value; show(); });
exact.addEventListener("input", () => {
  if (!exact.checkValidity() || exact.value === "") return;
  slider.value = exact.value;
  show();
});
form.addEventListener("submit", (event) => event.preventDefault());
place.dataset.step = slider.value;
