// Draws the charts one after the other, from the specifications that the page carries.
(async () => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const narrow = window.matchMedia("(max-width: 640px)").matches;
  // On a phone, panels that stand side by side go below each other.
  const stacked = (spec) => {
    if (narrow && spec.hconcat) {
      const { hconcat, ...rest } = spec;
      return { ...rest, vconcat: hconcat.map(stacked) };
    }
    if (narrow && spec.columns) return { ...spec, columns: 1 };
    if (spec.vconcat) return { ...spec, vconcat: spec.vconcat.map(stacked) };
    return spec;
  };
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    ast: true, // expressions are interpreted, so that the page needs no eval
    actions: { export: true, source: false, compiled: false, editor: false },
  };
  for (const box of document.querySelectorAll("[data-chart]")) {
    try {
      await vegaEmbed(box, stacked(specs[box.dataset.chart]), options);
    } catch (error) {
      box.textContent = "This chart could not be drawn: " + error.message;
      console.error(box.dataset.chart, error);
    }
  }
  document.documentElement.dataset.charts = "drawn";
})();
