// What is typed into a form with data-draft is kept in this tab until the form has been sent and answered: a lost node, an expired
// session or a switch of language costs nobody his text. Nothing leaves the browser. It ends with the tab, when its officer logs out,
// and when another officer has logged in.
(() => {
  const PATIENCE_MS = 4000, AGAIN_MS = 3000;
  const OWNER = "draft-owner";
  const forget = () => Object.keys(sessionStorage).filter((key) => key.startsWith("draft:")).forEach((key) => sessionStorage.removeItem(key));
  const keyOf = (form) => `draft:${location.pathname}:${form.dataset.draft}`;
  const fields = (form) => [...form.elements].filter((one) => one.name && one.name !== "once" && !["hidden", "submit", "password"].includes(one.type));
  const save = (form) => {
    const kept = fields(form).map((one) => [one.name, one.value, ["checkbox", "radio"].includes(one.type) ? one.checked : null]);
    sessionStorage.setItem(keyOf(form), JSON.stringify(kept));
  };
  const restore = (form) => {
    const kept = JSON.parse(sessionStorage.getItem(keyOf(form)) || "null");
    if (!kept || form.dataset.typed === "yes") return;
    for (const [name, value, checked] of kept) {
      for (const one of fields(form).filter((field) => field.name === name)) {
        if (checked === null) one.value = value;
        else if (one.value === value) one.checked = checked;
      }
    }
    form.dispatchEvent(new Event("draft:restored", { bubbles: true }));
  };
  document.addEventListener("DOMContentLoaded", () => {
    const officer = document.querySelector("[data-officer]")?.dataset.officer;
    if (officer) {
      if (sessionStorage.getItem(OWNER) !== officer) forget();
      sessionStorage.setItem(OWNER, officer);
    }
    for (const gone of document.querySelectorAll("[data-draft-done]")) sessionStorage.removeItem(gone.dataset.draftDone);
    for (const form of document.querySelectorAll("form[data-draft]")) {
      restore(form);
      form.addEventListener("input", () => save(form));
      form.addEventListener("change", () => save(form));
      form.addEventListener("submit", () => save(form));
    }
  });
  document.addEventListener("submit", (event) => { if (event.target.matches("form[action='/logout']")) forget(); });
  // While the node is away the page says so, whoever has noticed it (event node:lost), and looks for it until it is back.
  const answers = () => fetch("/health/live", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });  // a frozen one does not refuse
  const banner = (shown) => document.getElementById("lost")?.toggleAttribute("hidden", !shown);
  let looking = 0;
  const lost = () => {
    banner(true);
    clearTimeout(looking);
    looking = setTimeout(() => answers().then(back, lost), AGAIN_MS);
  };
  const back = () => {
    banner(false);
    clearTimeout(looking);
    document.dispatchEvent(new Event("node:back"));
  };
  document.addEventListener("node:lost", lost);
  // A form is sent by fetch first where the node may be away: a browser's own error page would lose the place.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-draft]") || form.dataset.sure === "yes") return;
    event.preventDefault();
    // A browser sends a date that is half typed as no date at all.
    const unfinished = [...form.elements].find((one) => one.validity?.badInput && one.dataset.unfinished);
    if (unfinished) {
      unfinished.setCustomValidity(unfinished.dataset.unfinished);
      unfinished.addEventListener("input", () => unfinished.setCustomValidity(""), { once: true });
      unfinished.reportValidity();
      return;
    }
    try {
      await answers();
      banner(false);
      clearTimeout(looking);
      form.dataset.sure = "yes";
      form.requestSubmit(event.submitter ?? undefined);
      form.dataset.sure = "";
    } catch {
      save(form);
      lost();
    }
  });
})();
