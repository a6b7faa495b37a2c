// The staff page's only door: the hub's API, and nobody else, with the token of who signed in.
// The token is typed once and kept in this tab's session only.
"use strict";
const staffDoor = (() => {
  const TIMEOUT_MS = 8000;
  const session = {
    get token() { try { return sessionStorage.getItem("staff.token") || ""; } catch { return this.held || ""; } },
    set token(value) { this.held = value; try { sessionStorage.setItem("staff.token", value); } catch { /* held */ } },
  };

  // What the hub answered. Throws `lost`, the words to say, where nothing came that could be read; else status and sentence.
  async function ask(method, path, body, key) {
    const headers = { Authorization: `Bearer ${session.token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    const lost = { lost: "staff.offline" };
    let answer, told = {};
    try {
      answer = await fetch(`/api/v1/${path}`, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS), credentials: "omit",
      });
    } catch { throw lost; }
    try { told = await answer.json(); } catch { if (answer.ok) throw lost; } // cut off, or not the hub's
    if (answer.ok) return told;
    if (method === "GET" && answer.status >= 500) throw { lost: "staff.away" };
    throw { status: answer.status, text: [told.detail, told.hint].filter(Boolean).join(" ") };
  }

  return { session, ask };
})();
