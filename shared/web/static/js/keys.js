// Keys and scanner. Single letters are dead while something is typed or composed (WCAG 2.1.4), and can be switched off on /me.
(() => {
  const SCAN_CHARACTERS = 8;
  const SCAN_GAP_MS = 30;
  const isTyping = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    all[Math.min(all.length - 1, Math.max(0, at + step))].focus();
  };
  const press = (name) => document.querySelector(`[data-key="${name}"]`)?.click();
  let scanned = "";
  let last = 0;
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const gap = event.timeStamp - last;
    last = event.timeStamp;
    if (event.key === "Enter" && !event.ctrlKey && scanned.length >= SCAN_CHARACTERS && gap < SCAN_GAP_MS && document.querySelector("[data-search]")) {
      event.preventDefault();
      if (isTyping(event.target) && !event.target.matches("[data-search]")) {  // scanned into a field: it stays there
        event.target.dispatchEvent(new Event("change", { bubbles: true }));
        scanned = "";
        return;
      }
      const box = document.querySelector("[data-search]");
      box.value = scanned;
      box.form.requestSubmit();  // in a body: an id number in an address would stay in history and logs
      return;
    }
    if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) scanned = gap < SCAN_GAP_MS ? scanned + event.key : event.key;
    if (event.ctrlKey && event.key === "Enter") return press("send");
    if (event.key === "F2") return press("ask");
    if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("keys") === "off") return;
    const act = {
      "/": () => document.querySelector("[data-search]")?.focus(),
      j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
      n: () => press("new"), "?": () => location.assign("/help/keys"),
      Escape: () => document.querySelector("[data-back]")?.click(),
    }[event.key];
    if (!act || (event.key.startsWith("Arrow") && !rows().length)) return;
    event.preventDefault();
    act();
  });
  // Enter while a word is composed chooses the word; it never sends the form.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.stopPropagation();
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-keys-switch]")) localStorage.setItem("keys", event.target.checked ? "on" : "off");
  });
  document.addEventListener("click", (event) => { if (event.target.closest?.("[data-print]")) print(); });
  document.addEventListener("DOMContentLoaded", () => {
    for (const one of document.querySelectorAll("[data-keys-switch]")) one.checked = localStorage.getItem("keys") !== "off";
    for (const one of document.querySelectorAll("[data-confirm]")) {
      one.addEventListener("submit", (event) => { if (one.dataset.sure !== "yes" && !confirm(one.dataset.confirm)) { event.preventDefault(); event.stopImmediatePropagation(); } });
    }
    document.querySelector(".errors")?.focus();
  });
})();
