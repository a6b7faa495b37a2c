// The kiosk's page: shows what the kiosk says, and tells it what was touched. It decides nothing.
const $ = (id) => document.getElementById(id);
const about = await (await fetch("/about.json")).json();
let language = about.language;
let shown = "";
let pressed = false;
let view = null;

const say = (key, values = {}) => {
  const pair = about.words[key] ?? [key, key];
  return pair[language === "zh" ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
};
const text = (pair) => pair[language];
const node = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};
const button = (key, what, value, quiet = false, id = "") => node("button", {
  type: "button", id, className: quiet ? "quiet" : "", textContent: say(key), onclick: () => act(what, value),
});
const act = (what, value = null) => fetch("/api/act", {
  method: "POST", headers: { "Content-Type": "application/json", "X-Branchloop": "kiosk" }, body: JSON.stringify({ what, value }),
});
const minutes = (wait_s) => Math.max(1, Math.round(wait_s / 60));
const range = (held) => ({ minutes: minutes(held.wait_s), low: Math.floor((held.low_s ?? 0) / 60), high: Math.ceil((held.high_s ?? 0) / 60) });
const soon = (held) => (held.high_s ?? held.wait_s) < 30;
const named = (who) => (who.title ? say(`kiosk.name.${who.title}`, { name: who.name }) : who.name);
const preview = () => node("img", { id: "preview", src: `/preview.mjpeg?${Date.now()}`, alt: say("kiosk.preview") });

function wait(queue) {
  const service = text(queue.service);
  if (queue.wait_s === null) return say("kiosk.wait.none", { service });
  if (soon(queue)) return say("kiosk.wait.now", { service });
  return say(queue.low_s === null ? "kiosk.wait.own" : "kiosk.wait", { service, ...range(queue) });
}

function idle() {
  const doors = node("div", { className: "doors" });
  const ways = ["code", ...(about.recognise === "off" ? [] : ["face"]), ...(view.queues.length ? ["walk_in"] : [])];
  for (const door of ways) {
    const made = button(`kiosk.door.${door}`, "choose", door, false, `door-${door}-large`);
    made.append(node("span", { textContent: say(`kiosk.door.${door}.hint`) }));
    doors.append(made);
  }
  const facts = node("ul", { className: "facts" });
  const crowd = view.crowding;
  const people = crowd?.people ?? null;
  facts.append(node("li", { id: "crowding", textContent: people === null ? say("kiosk.crowding.none") : say("kiosk.crowding", { people }) }));
  for (const queue of view.queues) facts.append(node("li", { textContent: wait(queue) }));
  const parts = [node("h1", { textContent: say("kiosk.greeting", { branch: text(about.branch) }) }), node("p", { className: "said", textContent: say("kiosk.ask") }), doors, node("p", { textContent: say("kiosk.equal") }), facts];
  if (crowd?.hours?.length) {
    const most = Math.max(1, ...crowd.hours.map((hour) => hour.people));
    const bars = node("div", { className: "hours", role: "img", ariaLabel: `${say("kiosk.hours")}: ${crowd.hours.map((h) => `${h.hour}:00 ${h.people}`).join(", ")}` });
    for (const hour of crowd.hours) {
      const bar = node("span", { title: `${hour.hour}:00 ${hour.people}` });
      bar.style.height = `${Math.round((40 * hour.people) / most)}px`;
      bars.append(node("div", { ariaHidden: "true" }, bar, `${hour.hour}`));
    }
    parts.push(node("p", { className: "facts", textContent: say("kiosk.hours") }), bars);
  }
  return parts;
}

function typing(kind) {
  const digits = kind === "number";
  const field = node("input", { id: "typed", maxLength: digits ? 4 : 9, autocomplete: "off", inputMode: "none", ariaLabel: say(`kiosk.${kind}.field`) });
  const enter = () => field.value && act("typed", field.value);
  field.oninput = () => act("touch", "key");
  field.onkeydown = (event) => { if (event.key === "Enter") enter(); };
  const keys = node("div", { className: digits ? "keys digits" : "keys" });
  for (const key of digits ? "1234567890" : "0123456789ABCDEFGHJKMNPQRSTVWXYZ") {
    keys.append(node("button", { type: "button", className: "quiet", textContent: key, onclick: () => { if (field.value.length < field.maxLength) field.value += key; act("touch", "key"); } }));
  }
  keys.append(
    node("button", { type: "button", className: "quiet wide", textContent: "⌫", ariaLabel: say("kiosk.delete"), onclick: () => { field.value = field.value.slice(0, -1); act("touch", "key"); } }),
    node("button", { type: "button", className: "rest", id: "enter", textContent: say("kiosk.enter"), onclick: enter }),
  );
  return node("div", {}, node("label", { htmlFor: "typed", textContent: say(digits ? "kiosk.number.hint" : "kiosk.code.or") }), field, keys);
}

function service() {
  const doors = node("div", { className: "doors" });
  for (const queue of view.queues) {
    const made = node("button", { type: "button", id: `service-${queue.id}`, textContent: text(queue.service), onclick: () => act("service", [queue.id, language]) });
    made.append(node("span", { textContent: queue.wait_s !== null && soon(queue) ? say("kiosk.service.now") : waits(queue) }));
    doors.append(made);
  }
  return [node("h1", { textContent: say("kiosk.service.title") }), doors];
}

function waits(held) {
  if (held.wait_s === null) return say("kiosk.ticket.unknown");
  if (soon(held)) return say("kiosk.ticket.now");
  return say(held.low_s === null ? "kiosk.ticket.own" : "kiosk.ticket.wait", range(held));
}

// Who has a ticket already: only what the hub said of them, never the wait of who comes now.
function standing(held) {
  if (held.called) {
    if (!held.counter) return say("kiosk.ticket.called");
    const counter = text(held.counter);
    return say(/^\d+$/.test(counter) ? "kiosk.ticket.counter" : "kiosk.ticket.at", { counter });
  }
  if (held.ahead === null) return say("kiosk.ticket.later");
  const place = held.ahead ? say("kiosk.ticket.ahead", { ahead: held.ahead }) : say("kiosk.ticket.next");
  if (held.wait_s === null || (held.ahead === 0 && soon(held))) return place;
  return `${place} ${waits(held)}`;
}

function ticket() {
  const held = view.ticket;
  const title = held.walk_in ? say("kiosk.ticket") : say("kiosk.welcome", { name: named(held) });
  const parts = [node("h1", { textContent: title }), ...(held.walk_in ? [] : [node("p", { textContent: say("kiosk.ticket") })]), node("p", { className: "number", id: "number", textContent: held.number }), node("p", { className: "said", textContent: held.walk_in ? text(held.service) : `${text(held.service)} · ${held.at}` })];
  parts.push(node("p", { className: "said", id: "wait", textContent: held.again ? standing(held) : waits(held) }));
  if (held.again) parts.push(node("p", { textContent: say("kiosk.again") }));
  if (held.provisional) parts.push(node("p", { id: "provisional", textContent: say("kiosk.provisional") }));
  if (held.may_enrol) parts.push(node("div", { className: "row" }, button("kiosk.enrol", "enrol", null, true, "enrol")));
  return parts;
}

function consent() {
  const paper = about.consent[language];
  const list = node("dl", {});
  for (const [heading, says] of paper.points) list.append(node("dt", { textContent: heading }), node("dd", { textContent: says }));
  return [node("h1", { textContent: paper.title }), node("div", { className: "consent", tabIndex: 0, role: "region", ariaLabel: paper.title }, list), node("p", { textContent: paper.agree }), node("p", { className: "facts", textContent: say("kiosk.consent.minor") }),
    node("div", { className: "row" }, button("kiosk.consent.agree", "agree", language, false, "agree"), button("kiosk.consent.no", "home", null, true, "decline"))];
}

const stages = {
  idle,
  service,
  code: () => [node("h1", { textContent: say("kiosk.code.title") }), node("p", { id: "why", className: "said", hidden: !view.why, textContent: view.why ? say(`kiosk.${view.why}`) : "" }), node("div", { className: "two" }, preview(), typing("code"))],
  number: () => [node("h1", { textContent: say("kiosk.number.title") }), node("p", { id: "why", className: "said", hidden: !view.why, textContent: view.why ? say(`kiosk.${view.why}`) : "" }), node("div", { className: "two" }, preview(), typing("number"))],
  face: () => [node("h1", { id: "prompt" }), preview()],
  enrol: () => [node("h1", { id: "prompt" }), preview()],
  confirm: () => [node("h1", { textContent: say("kiosk.confirm.title") }), node("p", { className: "said", id: "who", textContent: say("kiosk.confirm.who", { name: named(view.who), service: text(view.who.service), at: view.who.at }) }), node("div", { className: "row" }, button("kiosk.confirm.yes", "confirm", true, false, "yes"), button("kiosk.confirm.no", "confirm", false, true, "no"))],
  ticket,
  refused: () => [node("h1", { textContent: say("kiosk.refused.title") }), node("p", { className: "said", id: "why", textContent: say(`kiosk.refused.${view.why}`) })],
  staff: () => [node("h1", { textContent: say("kiosk.staff.title") }), node("p", { className: "said", textContent: say(`kiosk.staff.${view.why || "asked"}`) })],
  consent,
  enrolled: () => [node("h1", { textContent: say("kiosk.enrolled") })],
};

function note() {
  const key = !view.known ? "kiosk.no_gallery" : view.clock_off ? "kiosk.clock" : !view.hub ? "kiosk.offline" : !view.camera ? "kiosk.no_camera" : "";
  const words = [about.note && text(about.note), key && say(key)].filter(Boolean).join(" ");
  $("note").hidden = !words;
  $("note").className = key ? "warn" : "";
  if ($("note").textContent !== words) $("note").textContent = words;
}

function show() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = say("kiosk.title");
  $("branch").textContent = text(about.branch);
  $("language").textContent = say("kiosk.language");
  $("language").lang = language === "zh" ? "en" : "zh-CN";
  $("staff").textContent = say("kiosk.staff");
  $("back").textContent = say("kiosk.back");
  $("back").hidden = view.stage === "idle";
  $("door-code").textContent = say("kiosk.door.code");
  $("door-code").hidden = ["idle", "service", "code", "ticket", "enrol", "consent", "enrolled"].includes(view.stage);
  note();
  const moving = ["face", "enrol"].includes(view.stage);
  const now = JSON.stringify([language, moving ? view.stage : { ...view, hub: 0, camera: 0, clock_off: 0, typing: 0 }]);
  const same = document.body.dataset.stage === view.stage;
  // A button that goes while a finger is on it was never touched.
  if (now !== shown && !(pressed && same)) {
    shown = now;
    // What is half typed, and where the keyboard is, outlives the new day, a poster, the other language.
    const typed = same ? $("typed")?.value : "";
    const held = same && $("main").contains(document.activeElement) ? document.activeElement.id : "";
    $("main").replaceChildren(...stages[view.stage]());
    if (typed) $("typed").value = typed;
    document.body.dataset.stage = view.stage;
    const again = held && $(held);
    if (again) again.focus();
    else if (view.stage !== "idle") ($("typed") ?? $("main")).focus();
  }
  if (moving) {
    const words = view.action ? say(`kiosk.do.${view.action}`) : say(`kiosk.look.${view.why || "no_face"}`);
    if ($("prompt").textContent !== words) $("prompt").textContent = words;
    $("prompt").dataset.action = view.action ?? "";
  }
}

addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => { pressed = false; setTimeout(() => view && show()); });
}
$("language").onclick = () => { language = language === "zh" ? "en" : "zh"; act("touch"); show(); };
$("back").onclick = () => act("home");
$("door-code").onclick = () => act("choose", "code");
$("staff").onclick = () => act("staff");

const events = new EventSource("/api/events");
events.onmessage = (event) => {
  const next = JSON.parse(event.data);
  if (view && view.stage !== "idle" && next.stage === "idle") language = about.language;
  view = next;
  show();
};
events.onerror = () => { $("note").hidden = false; $("note").className = "warn"; $("note").textContent = say("kiosk.lost"); };
