// The queue while something runs: once a second how far it is; the page anew when a job begins or ends.
import { asked } from "./asking.js";

let mark = null;

const renewed = async () => {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("queue").replaceWith(page.getElementById("queue"));
};

const look = async () => {
  try {
    const found = await asked("/jobs/state");
    const now = JSON.stringify(found.mark);
    if (mark !== null && mark !== now) await renewed();
    mark = now;
    for (const job of found.jobs) {
      const place = document.querySelector(`[data-job="${job.number}"]`);
      if (!place) continue;
      const [bar, told, seconds, printed] = ["progress", "[data-told]", "[data-seconds]", "[data-printed]"].map((one) => place.querySelector(one));
      if (bar && job.share !== null) bar.value = job.share;
      if (told) told.textContent = job.told;
      seconds.textContent = job.seconds;
      if (printed) printed.textContent = job.printed;
    }
    setTimeout(look, found.jobs.length ? 1000 : 5000);
  } catch {
    setTimeout(look, 5000); // the server is away
  }
};
look();
