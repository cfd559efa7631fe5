// A study that is gone, or cannot be read just now: what is on the page stays, and a notice says so.
export const lost = (told) => {
  const known = document.getElementById("lost");
  if (!told) known?.remove();
  if (!told || known?.textContent === told) return Boolean(told);
  const notice = known ?? document.createElement("p");
  Object.assign(notice, { id: "lost", className: "notice", textContent: told });
  notice.setAttribute("role", "alert");
  document.querySelector("h1").after(notice);
  return true;
};
