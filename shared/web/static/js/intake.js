// A form with data-autosave is kept at the server at each change: an ended session or a lost node loses nothing. A button with
// data-print prints the page.
(() => {
  const WAIT_MS = 800, PATIENCE_MS = 4000;
  let waiting = 0, unsaved;
  const told = (kept) => {
    const place = document.querySelector("[data-saved]");
    if (place) place.textContent = (kept ? `✓ ${place.dataset.saved} ` : `${place.dataset.unsaved} `) + new Date().toTimeString().slice(0, 5);
  };
  const keep = async (form) => {
    try {
      const sent = { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) };
      told((await fetch(form.dataset.autosave, sent)).ok);
    } catch {
      told(false);
      unsaved = form;
      document.dispatchEvent(new Event("node:lost"));
    }
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
  document.addEventListener("node:back", () => { if (unsaved) { keep(unsaved); unsaved = undefined; } });
  document.addEventListener("click", (event) => { if (event.target.closest?.("[data-print]")) window.print(); });
})();
