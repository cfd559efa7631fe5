// Sliders: what stands beside one, in the marks of the page's language.
import { words } from "./charts.js";

export const written = (value) => String(value).replace("-", "−").replace(".", words.point ?? ".");

export const beside = (slider, value = slider.value) => {
  const output = slider.parentElement.querySelector("output");
  if (output) output.textContent = written(value);
};
