// A form with data-autosave is kept at the server at each change: an ended session or a lost node loses nothing. A button with
// data-print prints the page.
(() => {
  const WAIT_MS = 800;
  let waiting = 0;
  const told = (kept) => {
    const place = document.querySelector("[data-saved]");
    if (place) place.textContent = (kept ? `✓ ${place.dataset.saved} ` : `${place.dataset.unsaved} `) + new Date().toTimeString().slice(0, 5);
  };
  const keep = async (form) => {
    try {
      const answer = await fetch(form.dataset.autosave, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error" });
      told(answer.ok);
    } catch { told(false); }
  };
  const soon = (event) => {
    const form = event.target.closest?.("form[data-autosave]");
    if (!form) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => keep(form), event.type === "change" ? 0 : WAIT_MS);
  };
  document.addEventListener("input", soon);
  document.addEventListener("change", soon);
  document.addEventListener("submit", () => clearTimeout(waiting));
  document.addEventListener("draft:restored", soon);
  document.addEventListener("click", (event) => { if (event.target.closest?.("[data-print]")) window.print(); });
})();
