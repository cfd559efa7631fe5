// What every page's script does: ask for JSON, and do one thing at a time.
export const asked = async (address) => {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
};

// One thing at a time; what is asked for meanwhile is done next, and only the last of it.
export const inTurn = (work) => {
  let busy = false;
  let next = null;
  return async (...given) => {
    next = given;
    if (busy) return;
    busy = true;
    try {
      while (next) {
        const now = next;
        next = null;
        await work(...now);
      }
    } finally {
      busy = false;
    }
  };
};
