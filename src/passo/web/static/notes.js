// The notes: the page is made anew when a building ends.
import { asked } from "./asking.js";

let mark = null;
setInterval(async () => {
  try {
    const now = JSON.stringify((await asked("/jobs/state")).mark);
    if (mark !== null && mark !== now) location.reload();
    mark = now;
  } catch {
    // the server is away
  }
}, 2000);
