// In a frame: what a card tells goes to the page that it was made for, and to no other.
(() => {
  "use strict";
  if (window.parent === window) return;
  const card = document.body.firstElementChild;
  const token = card.getAttribute("token").split(".")[0];
  const { origin } = JSON.parse(atob(token.replace(/-/g, "+").replace(/_/g, "/")));
  for (const event of ["booked", "moved", "cancelled", "checked-in", "resize", "book", "requested"]) {
    card.addEventListener(`branchloop:${event}`, ({ detail }) => window.parent.postMessage({ type: "branchloop", event, ...detail }, origin));
  }
})();
