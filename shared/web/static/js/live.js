// Live parts (macro `live`) are fetched again by htmx when the stream hints that something changed. Here is what htmx leaves out:
// fetch also when the stream is (back) there and when the tab is looked at again, and say how old what is shown is.
(() => {
  const STALE_MS = 15000;
  let heard = Date.now();
  const look = () => document.body.dispatchEvent(new CustomEvent("look"));
  const seen = () => { heard = Date.now(); document.body.classList.remove("stale"); };
  const tick = () => {
    const age = Date.now() - heard;
    document.body.classList.toggle("stale", age > STALE_MS);
    for (const one of document.querySelectorAll("[data-age]")) one.textContent = String(Math.round(age / 1000));
  };
  document.addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector("[hx-sse\\:connect]")) return;
    document.body.addEventListener("htmx:sse:after:connection", () => { seen(); look(); });
    document.body.addEventListener("alive", seen);
    document.body.addEventListener("changed", seen);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
    setInterval(tick, 1000);
  });
})();
