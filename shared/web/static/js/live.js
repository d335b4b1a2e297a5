// Live parts (macro `live`) are fetched again by htmx when the stream hints that something changed. Here is what htmx leaves out:
// fetch also when the stream is (back) there and when the tab is looked at again, and say how old what is shown is.
// Where a page says of when it is (data-as-of, in its live part), only a newer picture counts: a stream that lives beside a fetch
// that fails must not pass old values for new. Ages are measured with this machine's clock alone, from when a picture came.
(() => {
  const STALE_MS = 15000;
  let heard = Date.now();
  let shown;
  const look = () => document.body.dispatchEvent(new CustomEvent("look"));
  const asOf = () => document.querySelector("[data-as-of]")?.dataset.asOf;
  const seen = () => { if (asOf() === undefined) heard = Date.now(); };
  const tick = () => {
    const now = asOf();
    if (now !== shown) { shown = now; heard = Date.now(); }
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
    tick();
    setInterval(tick, 1000);
  });
})();
