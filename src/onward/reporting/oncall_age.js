"use strict";
// How old the last look is by the clock of whoever reads; without scripts the page says it as of its making.
(() => {
  const words = (hours) => hours < 1 ? "less than an hour" : hours < 48 ? `${Math.floor(hours)} h` : `${Math.floor(hours / 24)} days`;
  const stale = document.getElementById("stale"), title = document.title;
  const tell = () => {
    for (const each of document.querySelectorAll("[data-since]")) {
      const hours = (Date.now() - Date.parse(each.dataset.since)) / 36e5;
      each.textContent = `${words(Math.max(hours, 0))} ago`;
    }
    const old = (Date.now() - Date.parse(stale.dataset.looked)) / 36e5 > Number(stale.dataset.hours);
    stale.hidden = !old;
    document.title = old ? `STALE: ${title.replace(/^STALE: /, "")}` : title.replace(/^STALE: /, "");
  };
  tell();
  setInterval(tell, 60000);
})();
