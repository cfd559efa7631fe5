// A comparison: its figures, drawn when they come into view.
import { asked, embed, onChange } from "./charts.js";

const { address, query } = document.getElementById("comparison").dataset;

const draw = async (figure) => {
  const [sentence, caption] = figure.querySelectorAll("figcaption p");
  try {
    const found = await asked(`${address}${figure.dataset.figure}?${query}`);
    if (found.spec) await embed(figure.querySelector(".chart"), found.spec, found.sentence);
    [sentence.textContent, caption.textContent] = [found.sentence, found.caption];
  } catch (error) {
    sentence.textContent = error.message;
  }
  figure.dataset.drawn = "1";
};

const figures = document.querySelectorAll("figure[data-figure]");
const watcher = new IntersectionObserver((seen) => {
  for (const { target } of seen.filter((one) => one.isIntersecting)) {
    watcher.unobserve(target);
    draw(target);
  }
});
for (const figure of figures) watcher.observe(figure);
onChange(() => {
  for (const figure of figures) if (figure.dataset.drawn) draw(figure);
});
