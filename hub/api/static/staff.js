// The staff's page: who is next at my counter, and what becomes of a ticket. Branch, counter and language are kept on the phone.
"use strict";
(() => {
  const POLL_MS = 3000, OVER_SHOWN = 10, NAME_MS = 60000;
  const OUTCOMES = ["done", "partly", "documents_missing", "not_served"];
  const at = (id) => document.getElementById(id);
  const { session, ask } = staffDoor;
  let board = null, branches = [], seen = "", read = null, busy = false, offline = "", timer = 0;
  let said = null, still = null, reading = 0, names = new Map(), opener = null;

  const kept = {
    get: (key) => { try { return localStorage.getItem(`staff.${key}`) || ""; } catch { return ""; } },
    put: (key, value) => { try { localStorage.setItem(`staff.${key}`, value); } catch { /* not kept, then */ } },
  };
  let language = kept.get("language") || ((navigator.language || "zh").toLowerCase().startsWith("zh") ? "zh" : "en");
  let site = kept.get("branch"), counter = kept.get("counter");

  const say = (key, values) => staffWords.say(language, key, values);
  // What holds of the board as it was, says so with `holds`: it goes when that is over.
  const tell = (make, bad = false, holds = null) => {
    said = make; still = holds; at("said").className = bad ? "bad" : ""; at("said").textContent = make ? make() : "";
  };

  function made(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "act") element.addEventListener("click", value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // --- the hub ----------------------------------------------------------------------------------------
  const inBranch = (tail) => `branches/${encodeURIComponent(site)}/${tail}`;
  const fresh = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

  function failed(error) {
    if (error.lost) { setOffline(error.lost); return; }
    if (error.status === 401) { signOut(); tell(() => say("staff.unknown"), true); return; }
    if (error.status === undefined) throw error;
    const text = error.status === 403 ? () => say("staff.refused") : error.status >= 500 || !error.text ? () => say("staff.failed")
      : () => staffWords.refused(language, error.text);
    tell(text, true);
  }

  function setOffline(how) {
    offline = how;
    at("offline").hidden = !how;
    at("offline").textContent = how ? say(how, { time: read ? clock(read) : "—" }) : "";
    enable();
  }
  const enable = () => {
    for (const button of document.querySelectorAll("[data-step]")) button.disabled = busy || offline;
  };

  async function refresh() {
    clearTimeout(timer);
    if (!session.token || !site) return;
    const mine = ++reading;
    try {
      const told = await ask("GET", inBranch("board"));
      if (mine !== reading) return;
      board = told; read = told.as_of;
      if (board.counters.length && !board.counters.some((each) => each.id === counter)) counter = "";
      setOffline("");
      draw();
    } catch (error) {
      if (mine === reading) failed(error);
    } finally {
      clearTimeout(timer);
      if (session.token && !document.hidden) timer = setTimeout(refresh, POLL_MS);
    }
  }

  // One step at a time: what is touched meanwhile does nothing, and the hub takes a repeated step as done.
  async function step(work) {
    if (busy || offline) return false;
    const from = document.activeElement;
    busy = true; enable();
    let done = false;
    try { await work(); done = true; } catch (error) { failed(error); } finally { busy = false; enable(); }
    await refresh();
    refocus(from);
    return done;
  }
  // A button that is disabled or drawn anew loses the keyboard: what is there of the same person takes it, else the next call.
  const nowhere = () => { const held = document.activeElement; return held === document.body || !held.getClientRects().length; };
  function refocus(from) {
    if (!from || from === document.body) return;
    const key = from.dataset.key, id = key && key.split("-").pop();
    const find = (how) => (key ? document.querySelector(how) : null);
    for (const each of [from, find(`[data-key="${key}"]`), find(`[data-key$="-${id}"]:not(#over *)`), opener, at("next")])
      if (each && nowhere()) each.focus({ preventScroll: true });
  }
  const does = (item, what, body = {}) => () => step(async () => {
    await ask("POST", inBranch(`appointments/${encodeURIComponent(item.id)}/${what}`), body);
    tell(null);
  });

  // --- words of the board -----------------------------------------------------------------------------
  const zone = () => (branches.find((each) => each.id === site) || {}).timezone;
  const clock = (text) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone() }).format(new Date(text));
  const service = (id) => { const found = board.queues.find((each) => each.service === id); return found ? found.name[language] : id; };
  const counterName = (id) => { const found = (board ? board.counters : []).find((each) => each.id === id); return found ? found.name[language] : id; };
  const minutes = (seconds) => Math.round(seconds / 60);
  const range = (queue) => queue.wait_s === null || queue.wait_s === undefined ? say("staff.wait.unknown")
    : queue.wait_high_s < 30 ? say("staff.wait.no")
    : say("staff.wait.range", { mid: minutes(queue.wait_s), low: Math.floor(queue.wait_low_s / 60), high: Math.ceil(queue.wait_high_s / 60) });
  const number = (item) => item.number || item.booking_no;
  const mine = () => board.items.filter((each) => each.state === "called" && each.counter === counter && counter)
    .sort((a, b) => (a.called < b.called ? -1 : 1)); // as the hub has it: who was called first is to be finished first

  // --- drawing ----------------------------------------------------------------------------------------
  function draw() {
    const text = JSON.stringify([board && { ...board, as_of: null, items: board.items.map((i) => ({ ...i, waited_s: i.waited_s === null ? null : minutes(i.waited_s) })) },
      language, site, counter, [...names]]);
    if (text === seen || !board) return;
    seen = text;
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
    const open = new Set([...document.querySelectorAll("details[open]")].map((each) => each.dataset.id));
    const branch = branches.find((each) => each.id === site);
    at("title").textContent = `${branch ? branch.name[language] : site} · ${board.day}`;
    at("place").textContent = counter ? counterName(counter) : say("staff.counter.choose");
    const ribbon = branch && (branch.note ? branch.note[language] : branch.simulated ? say("staff.simulated") : "");
    at("ribbon").hidden = !ribbon; at("ribbon").textContent = ribbon || "";
    const order = new Map(board.next.map((id, index) => [id, index]));
    const of = (...states) => board.items.filter((each) => states.includes(each.state));
    const here = mine();
    at("serving").replaceChildren(...(here.length ? here.map(card) : [made("p", { class: "small" }, say("staff.serving.nobody"))]));
    at("waits").replaceChildren(...board.queues.map((queue) =>
      made("li", { class: "wait" }, say("staff.wait", { service: queue.name[language], count: queue.waiting, range: range(queue) }),
        queue.floor_extra ? ` · ${say("board.wait.floor", { count: queue.floor_extra })}` : null)));
    list("waiting", of("arrived").sort((a, b) => order.get(a.id) - order.get(b.id)), open, ["call", "park", "transfer", "leave"]);
    list("parked", of("parked"), open, ["resume", "transfer", "leave"]);
    list("elsewhere", of("called").filter((each) => !here.includes(each)), open, ["recall", "park", "transfer", "leave", "finish"]);
    list("expected", of("booked", "missed"), open, ["arrive"]);
    const last = (each) => each.served || each.called || each.arrived;
    list("over", of("served", "left").sort((a, b) => (last(a) < last(b) ? 1 : -1)).slice(0, OVER_SHOWN), open, []);
    at("next-what").textContent = say("staff.next");
    at("next-count").textContent = here.length ? say("staff.next.finish", { number: number(here[0]) }) : say("staff.next.wait", { count: line() });
    if (still && !still()) tell(null);
    enable();
    if (focused) { const again = document.querySelector(`[data-key="${CSS.escape(focused)}"]`); if (again) again.focus(); }
  }

  const line = () => {
    const desk = board.counters.find((each) => each.id === counter);
    return board.items.filter((each) => board.next.includes(each.id) && (!desk || desk.services.includes(each.service))).length;
  };

  function list(id, items, open, steps) {
    at(id).closest("section").hidden = !items.length && id !== "waiting";
    at(id).replaceChildren(...(items.length ? items.map((each) => row(each, open.has(each.id), steps))
      : [made("li", { class: "small" }, say("staff.none"))]));
  }

  function row(item, isOpen, steps) {
    const state = item.missed ? "missed" : item.state;
    const right = item.state === "arrived" && item.waited_s !== null ? say("staff.waited", { minutes: minutes(item.waited_s) })
      : item.state === "called" && item.counter ? counterName(item.counter)
        : item.outcome ? say(`board.outcome.${item.outcome}`) : item.state === "booked" && !item.missed ? clock(item.start) : say(`board.state.${state}`);
    const head = made("summary", { "data-key": `row-${item.id}` },
      made("span", { class: "number" }, number(item)),
      made("span", { class: "what" }, names.get(item.id) || (item.masked_name === "—" ? "" : item.masked_name), made("span", { class: "small" }, ` ${service(item.service)}`)),
      made("span", { class: "right" }, right));
    return made("li", { class: "person" }, made("details", { open: isOpen, "data-id": item.id }, head,
      made("p", { class: "small" }, origin(item)), person(item), acts(item, steps)));
  }

  const origin = (item) => [say(`staff.by.${item.kind}`, { time: clock(item.start) }), item.method ? say(`board.by.${item.method}`) : "",
    item.calls ? say("staff.called_times", { count: item.calls + 1 }) : "",
    item.aliases.length ? say("board.also", { numbers: item.aliases.join(", ") }) : "",
    item.provisional ? say("board.provisional") : ""].filter(Boolean).join(" · ");

  // A name is told on a touch, and the hub's audit log keeps who looked.
  function person(item) {
    if (item.masked_name === "—" || item.masked_name === "*") return null;
    const known = names.get(item.id);
    return made("p", {}, known ? made("strong", {}, known) : made("button", {
      type: "button", class: "name", "data-step": true, "data-key": `name-${item.id}`, "aria-label": say("staff.reveal", { name: item.masked_name }),
      act: () => step(async () => {
        names.set(item.id, (await ask("GET", inBranch(`appointments/${encodeURIComponent(item.id)}/name`))).name);
        setTimeout(() => { names.delete(item.id); draw(); }, NAME_MS);
      }),
    }, item.masked_name));
  }

  function card(item) {
    return made("div", { class: "card" }, made("p", { class: "number" }, number(item)),
      made("p", {}, service(item.service)), made("p", { class: "small" }, origin(item)), person(item),
      acts(item, ["finish", "recall", "park", "transfer", "leave"]));
  }

  function acts(item, steps) {
    const buttons = {
      call: [say("staff.call_here"), () => withCounter(does(item, "call", { counter }))],
      recall: [say("board.do.recall"), does(item, "recall")],
      park: [say("board.do.park"), does(item, "park")],
      resume: [say("board.do.resume"), does(item, "resume")],
      leave: [say("board.do.leave"), does(item, "leave")],
      arrive: [say("board.do.arrive"), does(item, "arrive")],
      transfer: [say("staff.transfer"), () => transfer(item)],
      finish: [say("staff.finish"), () => finish(item)],
    };
    return made("div", { class: "acts" }, ...steps.map((what) => made("button", {
      type: "button", class: what === "finish" ? "" : "quiet", "data-step": true, "data-key": `${what}-${item.id}`, act: () => buttons[what][1](),
    }, buttons[what][0])));
  }

  // --- dialogs ----------------------------------------------------------------------------------------
  function ask_in(title, ...body) {
    at("dialog-title").textContent = title;
    at("dialog-said").textContent = "";
    at("dialog-body").replaceChildren(...body);
    at("dialog-close").textContent = say("staff.close");
    if (!at("dialog").open) { opener = document.activeElement; at("dialog").showModal(); }
    enable();
  }
  const shut = () => { if (at("dialog").open) at("dialog").close(); };
  const submit = (work) => { at("dialog-form").onsubmit = (event) => { event.preventDefault(); work(); }; };

  function withCounter(work) {
    if (counter) return work();
    return choosePlace();
  }

  function choosePlace() {
    const where = made("select", { id: "branch" }, ...branches.map((each) =>
      made("option", { value: each.id, selected: each.id === site }, each.name[language])));
    where.addEventListener("change", async () => {
      site = where.value; counter = ""; kept.put("branch", site); kept.put("counter", "");
      board = null; names.clear(); await refresh(); if (board) choosePlace(); else shut();
    });
    const known = board ? board.counters : [];
    const which = known.length
      ? made("div", { class: "acts" }, ...known.map((each) => made("button", {
        type: "button", class: each.id === counter ? "" : "quiet", act: () => setCounter(each.id) }, each.name[language])))
      : made("input", { id: "counter", maxlength: "20", autocomplete: "off", value: counter });
    const parts = [made("label", { for: "branch" }, say("staff.branch")), where];
    if (known.length) parts.push(made("p", { class: "small" }, say("staff.counter.choose")), which);
    else parts.push(made("label", { for: "counter" }, say("staff.counter.free")), which,
      made("button", { type: "submit" }, say("staff.save")));
    submit(() => { const input = at("counter"); if (input && input.value.trim()) setCounter(input.value.trim()); });
    ask_in(say("staff.counter"), ...parts);
  }
  const setCounter = (value) => { counter = value; kept.put("counter", value); shut(); draw(); };

  function services(act, but = "") {
    const others = board.queues.filter((queue) => queue.service !== but);
    if (!others.length) return made("p", {}, say("staff.services.none"));
    return made("div", { class: "acts" }, ...others.map((queue) => made("button", {
      type: "button", class: "quiet", "data-step": true, act: () => act(queue) }, queue.name[language])));
  }

  function transfer(item) {
    submit(() => {});
    ask_in(say("staff.transfer.to", { number: number(item) }), services(async (queue) => {
      shut(); await does(item, "transfer", { service: queue.service })();
    }, item.service));
  }

  function walkIn() {
    const key = fresh(); // one ticket for this choice, however often it is touched or sent
    submit(() => {});
    ask_in(say("staff.walk_in.for"), services(async (queue) => {
      await step(async () => {
        const ticket = await ask("POST", inBranch("walk-ins"), { service: queue.service, language }, `${key}-${queue.service}`);
        tell(() => say("staff.walk_in.made", { number: ticket.number, range: range(queue) }));
        shut();
      });
      if (at("dialog").open) at("dialog-said").textContent = at("said").textContent || at("offline").textContent;
    }));
  }

  function byCode() {
    const input = made("input", { id: "code", maxlength: "120", autocomplete: "off", autocapitalize: "characters", spellcheck: "false" });
    submit(async () => {
      if (!input.value.trim()) return;
      await step(async () => {
        const found = await ask("POST", inBranch("check-in"), { code: input.value });
        tell(() => say("staff.code.done", { name: found.masked_name, number: found.number }));
        shut();
      });
      if (at("dialog").open) at("dialog-said").textContent = at("said").textContent || at("offline").textContent;
    });
    ask_in(say("staff.code"), made("label", { for: "code" }, say("staff.code.how")), input,
      made("button", { type: "submit", "data-step": true }, say("board.do.arrive")));
    input.focus();
  }

  function finish(item) {
    const text = made("textarea", { id: "follow-up", maxlength: "300", rows: "2" });
    const which = made("select", { id: "follow-service" }, made("option", { value: "" }, say("staff.follow_up.none")),
      ...board.queues.map((queue) => made("option", { value: queue.service }, queue.name[language])));
    submit(() => {});
    ask_in(say("staff.finish.what", { number: number(item) }),
      made("label", { for: "follow-up" }, say("staff.follow_up")), text,
      made("label", { for: "follow-service" }, say("staff.follow_up.service")), which,
      made("div", { class: "acts" }, ...OUTCOMES.map((outcome) => made("button", {
        type: "button", class: outcome === "done" ? "" : "quiet", "data-step": true,
        act: async () => {
          const comes = text.value.trim() || (which.value && which.selectedOptions[0].textContent);
          const body = comes ? { outcome, follow_up: { text: comes, service: which.value || null } } : { outcome };
          if (await does(item, "finish", body)()) shut();
          else at("dialog-said").textContent = at("said").textContent || at("offline").textContent;
        },
      }, say(`board.outcome.${outcome}`)))));
  }

  // Which of two who call at once gets whom is decided by the hub, in one step.
  const callNext = () => withCounter(() => step(async () => {
    const found = await ask("POST", inBranch("call-next"), { counter });
    if (!found.called) tell(() => say("staff.next.nobody"), false, () => !line());
    else if (found.again) tell(() => say("staff.next.finish", { number: number(found.called) }), false, () => mine().some((each) => each.id === found.called.id));
    else tell(() => say("staff.called", { number: number(found.called), counter: counterName(counter) }));
    window.scrollTo({ top: 0 });
  }));

  // --- signing in -------------------------------------------------------------------------------------
  function show() {
    const inside = Boolean(session.token && site);
    at("sign-in").hidden = inside;
    for (const id of ["work", "bar", "place", "sign-out"]) at(id).hidden = !inside;
    at("bank").hidden = inside;
    document.documentElement.lang = language === "zh" ? "zh" : "en";
    document.title = say("staff.title");
    if (!inside) at("title").textContent = say("staff.sign_in");
    for (const [id, key] of [["language", "language"], ["sign-out", "sign_out"], ["sign-in-how", "sign_in.how"], ["token-label", "token"],
      ["enter", "sign_in"], ["serving-title", "serving"], ["waiting-title", "waiting"], ["parked-title", "parked"],
      ["elsewhere-title", "elsewhere"], ["expected-title", "expected"], ["over-title", "over"], ["walk-in", "walk_in"], ["by-code", "code"]])
      at(id).textContent = say(`staff.${key}`);
    at("language").lang = language === "zh" ? "en" : "zh";
    at("said").textContent = said ? said() : "";
    if (offline) setOffline(offline);
    draw();
  }

  function signOut() {
    session.token = ""; board = null; seen = ""; names.clear(); offline = ""; reading++;
    at("offline").hidden = true; clearTimeout(timer); shut(); show();
  }

  async function enter() {
    try {
      branches = [];
      let after = "";
      do {
        const page = await ask("GET", `branches${after ? `?after=${encodeURIComponent(after)}` : ""}`);
        branches.push(...page.items); after = page.next;
      } while (after);
    } catch (error) {
      if (error.lost) { setOffline(error.lost); clearTimeout(timer); timer = setTimeout(enter, POLL_MS); return; }
      signOut(); failed(error); return;
    }
    setOffline("");
    if (!branches.length) { signOut(); tell(() => say("staff.branches.none"), true); return; }
    if (!branches.some((each) => each.id === site)) { site = branches[0].id; counter = ""; kept.put("branch", site); }
    tell(null); show();
    await refresh();
    seen = ""; draw();
    if (board && !counter) choosePlace();
  }

  at("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = at("token").value.trim();
    if (!value) return;
    at("token").value = "";
    if (!/^[!-~]+$/.test(value)) { tell(() => say("staff.unknown"), true); return; } // no header carries it: nobody's token
    session.token = value; enter();
  });
  at("sign-out").addEventListener("click", () => { tell(null); signOut(); });
  at("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh"; kept.put("language", language); shut(); show();
  });
  at("place").addEventListener("click", choosePlace);
  at("walk-in").addEventListener("click", walkIn);
  at("by-code").addEventListener("click", byCode);
  at("next").addEventListener("click", callNext);
  at("dialog-close").addEventListener("click", shut);
  at("dialog").addEventListener("close", () => refocus(opener));
  for (const id of ["walk-in", "by-code", "next"]) at(id).dataset.step = "";
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  window.addEventListener("online", () => { if (session.token) refresh(); });
  window.addEventListener("offline", () => setOffline("staff.offline"));

  fetch("/static/staff-words.json").then((answer) => answer.json()).then((told) => {
    staffWords.take(told);
    show();
    if (session.token) enter();
  });
})();
