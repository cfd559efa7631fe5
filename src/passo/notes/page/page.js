// Draws the charts one after the other, from the specifications that the page carries.
const said = JSON.parse(document.getElementById("said").textContent);
const specs = JSON.parse(document.getElementById("charts").textContent);
const small = window.matchMedia("screen and (max-width: 640px)");
const dark = window.matchMedia("screen and (prefers-color-scheme: dark)");

const embedded = async (box) => {
  const chart = specs[box.dataset.chart];
  box.classList.toggle("pictured", pictured(chart));
  const { view } = await vegaEmbed(box, fitted(chart, small.matches ? Math.max(160, box.clientWidth - 76) : null, dark.matches), {
    mode: "vega-lite",
    renderer: "svg",
    ast: true, // expressions are interpreted, so that the page needs no eval
    i18n: said.i18n,
    actions: { export: true, source: false, compiled: false, editor: false },
  });
  return view;
};

const draw = async () => {
  delete document.documentElement.dataset.charts;
  for (const box of document.querySelectorAll("[data-chart]")) {
    try {
      await embedded(box);
      labelled(box, undefined, said.i18n.CLICK_TO_VIEW_ACTIONS);
    } catch (error) {
      box.textContent = said.failed + " " + error.message;
      console.error(box.dataset.chart, error);
    }
  }
  document.documentElement.dataset.charts = "drawn";
  document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  reach();
};

// What scrolls sideways can be reached, and scrolled, with the keyboard.
const reach = () => {
  for (const box of document.querySelectorAll(".table, .equation, .chart, pre")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    const told = scrolls ? { tabindex: 0, role: "group", "aria-label": said.scrolls } : {};
    for (const name of ["tabindex", "role", "aria-label"])
      if (told[name] === undefined) box.removeAttribute(name);
      else box.setAttribute(name, told[name]);
  }
};

// One drawing after the other; what changes meanwhile is drawn next.
let drawing = draw();
const again = () => (drawing = drawing.then(draw));
dark.addEventListener("change", again);
small.addEventListener("change", again);
window.addEventListener("resize", reach);
