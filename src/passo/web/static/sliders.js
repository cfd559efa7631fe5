// Sliders: what stands beside one, in the marks of the page's language.
import { words } from "./charts.js";

export const written = (value) => String(value).replace("-", "−").replace(".", words.point ?? ".");

// A number as it was typed, with a decimal comma or a point.
export const read = (text) => Number(String(text).trim().replace(",", "."));

export const beside = (slider, value = slider.value) => {
  const output = slider.parentElement.querySelector("output");
  if (output) output.textContent = written(value);
};
