// What all cards share: their frame, language and words, the way to the hub, and drawing without markup.
const HUB = (document.currentScript?.src || "").replace(/\/cards\/v1\/[^/]*$/, "");
const WORDS = [EN, ZH].map((words) => words.split("|"));
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(CSS);

const filled = (node, props, kids) => {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...shown(kids));
  return node;
};
const shown = (kids) => [kids].flat(9).filter((kid) => kid || kid === 0);
const h = (tag, props, ...kids) => filled(document.createElement(tag), props, kids);
const s = (tag, props, ...kids) => filled(document.createElementNS("http://www.w3.org/2000/svg", tag), props, kids);

// A file for the customer.
const give = (blob, download) => {
  const href = URL.createObjectURL(blob);
  h("a", { href, download }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
};

// `unsure`: nobody can know if the hub has done it; only the same request again tells.
const refused = (status, told) => Object.assign(new Error(told?.detail), {
  status, hint: told?.hint, kind: `refused.${told?.type?.split(":").pop()}`, unsure: !status || status >= 500 || status === 429,
});

class Card extends HTMLElement {
  static observedAttributes = ["token", "lang"];

  constructor() {
    super();
    this.live = h("div", { class: "said", role: "status" });
    this.body = h("div", {});
    this.top = h("header", {});
    this.frame = h("div", { class: "card" }, this.top, this.live, this.body);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    root.append(this.frame);
  }

  connectedCallback() {
    this.gone = new AbortController();
    this.sizes = new ResizeObserver(() => this.tell("resize", { height: Math.ceil(this.offsetHeight) }));
    this.sizes.observe(this);
    this.begin();
  }
  disconnectedCallback() {
    this.gone.abort();
    this.sizes.disconnect();
  }
  attributeChangedCallback(name, before, now) {
    if (!this.gone || before === now) return;
    if (name === "lang") this.turn(null);
    else this.begin();
  }

  // Begin, or begin anew with another token.
  begin() {
    this.seal = this.getAttribute("token") || "";
    this.note = this.stopped = null;
    const wrong = this.needsToken && this.misplaced();
    if (wrong) return this.stop(wrong);
    this.draw();
    return this.open();
  }
  get needsToken() {
    return true;
  }

  // Said here, before anything is sent; the hub decides again by itself.
  misplaced() {
    try {
      const { origin, site, expires_ms: until } = JSON.parse(atob(this.seal.split(".")[0].replace(/-/g, "+").replace(/_/g, "/")));
      this.values = { origin, site, here: location.origin };
      if (![origin, new URL(HUB).origin].includes(location.origin)) return "card.other_page";
      return until < Date.now() && "card.token";
    } catch {
      return "card.token";
    }
  }

  // What an answer tells of the branch.
  adopt({ timezone, simulated }) {
    this.zone = timezone;
    this.simulated = simulated;
  }

  get zh() {
    const said = this.spoken || this.closest("[lang]")?.lang || navigator.language;
    return /^zh/i.test(said);
  }
  // A word of the card, or what the hub says in both languages.
  t(key, values) {
    if (key.en) return this.n(key);
    const at = NAMED.indexOf(key);
    return WORDS[this.zh ? 1 : 0][at < 0 ? key : at].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }
  // A name in both languages.
  n(text) {
    return text && text[this.zh ? "zh" : "en"];
  }
  // A moment in the branch's own time; a day as it is.
  at(moment, style, timeZone = this.zone) {
    const locale = this.zh ? "zh-CN" : "en-GB";
    const formats = (this.formats ||= {});
    return (formats[locale + timeZone + Object.keys(style)] ||= new Intl.DateTimeFormat(locale, { timeZone, ...style })).format(new Date(moment));
  }
  time(moment) {
    return this.at(moment, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  }
  date(day) {
    return this.at(day, { weekday: "short", day: "numeric", month: "short" }, day.length > 10 ? this.zone : "UTC");
  }
  when(moment) {
    return `${this.date(moment)} ${this.time(moment)}`;
  }
  today(days = 0, from = new Date()) {
    const now = new Intl.DateTimeFormat("en-CA", { timeZone: this.zone }).format(from);
    return new Date(Date.parse(now) + days * 864e5).toISOString().slice(0, 10);
  }

  async ask(path, { body, key, pass, as = "json", method = body ? "POST" : "GET" } = {}) {
    let answer;
    const headers = { Authorization: pass ? `Pass ${pass}` : `Embed ${this.seal}` };
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    try {
      answer = await fetch(`${HUB}/api/v1/card/${path}`, {
        method, headers, body: body && JSON.stringify(body),
        credentials: "omit", signal: AbortSignal.timeout(15000),
      });
      if (answer.ok) return await answer[as]();
    } catch {
      throw refused(0);
    }
    throw refused(answer.status, await answer.json().catch(() => null));
  }

  // To the page around the card: never a secret, never a name.
  tell(event, detail) {
    const out = event !== "resize";
    this.dispatchEvent(new CustomEvent(`branchloop:${event}`, { bubbles: out, composed: out, detail }));
  }

  say(key, values, bad, more) {
    this.note = key && { key, values, bad, more };
    this.speak();
  }
  // The sentence for a refusal; the hub's own words stand beside it.
  refuse(error) {
    if (!error.kind) throw error;
    const { status, unsure, message, hint, kind } = error;
    if (NAMED.includes(kind)) return this.say(kind, {}, true);
    return this.say(status === 401 || status === 403 ? "card.refused" : unsure ? "card.unreachable" : "card.wrong", {}, true, !unsure && `${message} ${hint}`);
  }
  speak() {
    const { key, values, bad, more } = this.note || {};
    const text = key ? this.t(key, values) : "";
    if (this.told === text + more) return;
    this.told = text + more;
    this.live.className = bad ? "said bad" : "said";
    this.live.replaceChildren(...shown([text && h("p", {}, text), more && h("small", { lang: "en" }, more)]));
  }
  stop(key) {
    this.stopped = true;
    this.say(key, this.values, true);
    this.draw();
  }

  // Draw anew; what has the focus keeps it, or a new question takes it, or what is named. What is pressed stays until it is
  // let go: else the click is lost.
  draw(focus) {
    if (this.matches(":active")) return setTimeout(() => this.draw(focus), 50);
    const held = this.shadowRoot.activeElement?.id;
    const { zh } = this;
    this.frame.lang = zh ? "zh-CN" : "en";
    if (!this.hasAttribute("inside")) {
      this.top.replaceChildren(
        h("h2", {}, ...shown([this.title(), this.simulated && h("span", { class: "ribbon" }, this.t("card.simulated"))])),
        h("button", { id: "lang", class: "quiet lang", lang: zh ? "en" : "zh-CN", onclick: () => this.turn(zh ? "en" : "zh") }, zh ? "English" : "中文"));
    }
    this.speak();
    const view = this.stopped ? [] : shown(this.view());
    if (view.length !== 1 || view[0] !== this.body.firstChild) this.body.replaceChildren(...view);
    this.shadowRoot.getElementById(focus === true ? "question" : focus || held)?.focus({ preventScroll: true });
  }
  turn(language) {
    this.spoken = language;
    this.draw();
  }

  question(key, values) {
    return h("h3", { tabindex: -1, id: "question" }, this.t(key, values));
  }
  // While there is nothing to show: it comes, or what hinders it is said and can be tried again.
  get away() {
    return this.note?.key === "card.unreachable";
  }
  waiting(again = () => this.begin()) {
    return this.away ? this.row(this.button("card.again", again)) : h("p", { class: "fine" }, this.t("card.moment"));
  }
  row(...kids) {
    return shown(kids).length > 0 && h("div", { class: "row" }, kids);
  }
  button(key, onclick, props) {
    return h("button", { type: "button", id: key, onclick, ...props }, this.t(key));
  }
  choice(name, value, checked, onchange, ...kids) {
    return h("label", { class: "choice" }, h("input", { type: "radio", name, value, id: `${name}-${value}`, checked, onchange }), h("span", {}, kids));
  }
  link(to, key) {
    return h("a", { href: new URL(to, `${HUB}/`), target: "_blank" }, this.t(key));
  }
  // How busy: a word with a shape beside it.
  level(level) {
    const bars = { quiet: "▂", usual: "▂▄", busy: "▂▄▆" }[level];
    return bars && h("span", { class: "level" }, h("span", { "aria-hidden": "true" }, bars), ` ${this.t(`level.${level}`)}`);
  }
}

const define = (name, card) => customElements.get(name) || customElements.define(name, card);
