// On the hub's own pages, below what a secret opens: whom its customer is linked with, what tags are kept, and what can be agreed to.
const REST_MS = 120000;
const DAY = { day: "numeric", month: "short", year: "numeric" };

class BranchLinks extends Card {
  #secret = "";

  constructor() {
    super();
    filled(this.frame, { role: "region", "aria-labelledby": "known" }, []);
  }
  get needsToken() {
    return false;
  }

  open() {
    if (location.origin !== new URL(HUB).origin) return null;
    const { signal } = this.gone;
    this.again ||= () => this.begin();
    this.heard ||= () => this.follow();
    this.awake ||= () => document.hidden || this.load();
    this.anew ||= () => { history.replaceState({ token: this.token }, ""); this.begin(); };
    window.addEventListener("hashchange", this.again, { signal });
    document.addEventListener("branchloop:booked", this.anew, { signal });
    document.addEventListener("visibilitychange", this.awake, { signal });
    document.addEventListener("click", this.heard, { signal });
    // The token of the page that this one was opened from stays with the tab: an address that is kept is the secret's alone.
    const [secret, token] = location.hash.slice(1).split("&");
    if (token) history.replaceState({ token }, "", `#${secret}`);
    this.#secret = secret;
    this.seal = this.token = token || history.state?.token || "";
    Object.assign(this, { links: null, tags: null, offering: false, asking: null, receipt: null, wrong: false, texts: {}, ticked: new Set() });
    return this.load();
  }

  // The language is turned in the card above.
  follow() {
    const { zh } = this.previousElementSibling || this;
    if (zh !== undefined && zh !== this.zh) this.turn(zh ? "zh" : "en");
  }
  turn(language) {
    super.turn(language);
    if (this.offering) this.read().then(() => this.draw(), (error) => this.refuse(error));
  }

  send(path, more) {
    return this.ask(path, { ...more, pass: this.#secret });
  }

  async load() {
    const secret = this.#secret;
    clearTimeout(this.timer);
    if (!secret || this.gone.signal.aborted) return;
    this.timer = setTimeout(this.awake, REST_MS);
    if (this.busy) return;
    try {
      const [{ items: links }, { items: tags }] = await Promise.all([this.send("links"), this.send("tags")]);
      const offering = await this.offer(links);
      if (secret !== this.#secret || this.busy) return;
      if (this.away) this.say();
      Object.assign(this, { links, tags, offering });
    } catch (error) {
      if (secret !== this.#secret || this.busy) return;
      // What is not known is said above; there is nothing to show here.
      if (!error.unsure) this.links = null;
      else if (!this.links) this.refuse(error);
    }
    this.draw();
  }

  // Whether there is somebody to link: signed in on the page that this one was opened from, and not linked yet.
  async offer(links) {
    if (!this.token || this.misplaced()) return false;
    const { partner, subject } = JSON.parse(atob(this.token.split(".")[0].replace(/-/g, "+").replace(/_/g, "/")));
    if (!subject || links.some((each) => each.partner === partner)) return false;
    try {
      if ((await this.ask("offer")).linked !== false) return false;
      await this.read();
      return true;
    } catch (error) {
      if (error.unsure !== false) throw error;
      return false;
    }
  }
  async read() {
    const language = this.zh ? "zh" : "en";
    this.texts[language] ||= await this.send(`link-text?language=${language}`);
  }

  // Done at once, and the lists as the hub has them then.
  async act(asked, done) {
    const held = this.shadowRoot.activeElement?.id;
    this.busy = true;
    this.draw();
    try {
      const told = await asked();
      Object.assign(this, { asking: null, wrong: false, busy: false, receipt: told?.receipt });
      done(told);
      this.draw("known");
      return this.load();
    } catch (error) {
      this.busy = false;
      this.refuse(error);
      return this.draw(held);
    }
  }
  refuse(error) {
    return error.says ? this.say(error.says, {}, true) : super.refuse(error);
  }

  agree() {
    if (this.busy) return null;
    const { version, language, sha256, partner } = this.texts[this.zh ? "zh" : "en"];
    this.wrong = !this.ticked.has("agree");
    if (this.wrong) return this.draw("agree");
    const purposes = [...this.ticked].filter((each) => each !== "agree");
    const why = { 401: "links.late", 403: "links.late", 409: "links.other", 422: "links.anew" };
    const link = () => this.send("link", { body: { embed: this.token, version, language, sha256, purposes } }).catch(async (error) => {
      if (error.status === 422) {
        this.texts = {};
        this.ticked.clear();
        await this.read();
      }
      throw Object.assign(error, { says: why[error.status] });
    });
    return this.act(link, (made) => {
      this.links = [...this.links, made];
      this.offering = false;
      this.ticked.clear();
      this.say("links.made", this.called("partner", partner));
    });
  }
  unlink({ partner, name }) {
    return this.act(() => this.send("unlink", { body: { partner } }), () => {
      [this.links, this.tags] = [this.links, this.tags].map((list) => list.filter((each) => each.partner !== partner));
      this.say("links.gone", this.called("partner", name || partner));
    });
  }
  remove({ id, name, tag }) {
    // Gone already is gone.
    const gone = (error) => {
      if (error.status !== 404) throw error;
    };
    return this.act(() => this.send(`tags/${id}`, { method: "DELETE" }).catch(gone), () => {
      this.tags = this.tags.filter((each) => each.id !== id);
      this.say("tags.gone", this.called("tag", name || tag));
    });
  }

  // A name as it is called in the language of the moment.
  called(key, name) {
    return Object.defineProperty({}, key, { get: () => (typeof name === "string" ? name : this.n(name)) });
  }

  draw(focus) {
    const { links, tags, offering, note } = this;
    if (note || offering || links?.length || tags?.length) {
      if (!this.frame.parentNode) this.shadowRoot.append(this.frame);
    } else this.frame.remove();
    super.draw(focus);
  }

  view() {
    const { links, tags, receipt } = this;
    this.zone = this.previousElementSibling?.zone;
    const save = () => give(new Blob([receipt], { type: "application/json" }), "receipt.json");
    const list = (key, items, item) => items?.length > 0 && [h("h3", { class: "group" }, this.t(key)), h("ul", {}, items.map(item))];
    return [
      h("h2", { id: "known", tabindex: -1 }, this.t("links.title")),
      receipt && this.row(this.button("links.receipt", save, { class: "quiet", id: "receipt" })),
      !links && this.waiting(() => this.load()),
      list("links.with", links, (each) => this.linkView(each)),
      list("tags.title", tags, (each) => this.tagView(each)),
      this.offering && this.offerView(),
    ];
  }

  // One line of a list, and the question whether it shall go, in its place.
  item(id, heading, facts, keys, values, go) {
    const [name, named, sure, yes] = keys;
    const { busy } = this;
    const ask = (asking, focus) => { this.asking = asking; this.draw(focus); };
    return h("li", {}, h("b", {}, heading), facts.filter(Boolean).map((fact) => h("p", { class: "fine" }, fact)),
      this.asking === id
        ? h("div", { class: "note", role: "group", "aria-labelledby": "sure" }, h("p", { id: "sure" }, this.t(sure, values)), this.row(
          this.button(yes, go, { id: "yes", class: "risk", disabled: busy }),
          this.button("links.keep", () => ask(null, id), { id: "keep", class: "quiet", disabled: busy })))
        : this.row(h("button", { type: "button", id, class: "quiet", "aria-label": this.t(named, values), disabled: busy, onclick: () => ask(id, "keep") }, this.t(name))));
  }
  joined(facts) {
    return facts.join(this.zh ? "；" : "; ");
  }
  linkView(link) {
    const partner = this.n(link.name) || link.partner;
    const uses = link.purposes.map((each) => this.t(`use.${each}`, { partner }));
    return this.item(`link-${link.partner}`, partner,
      [this.t("links.since", { since: this.at(link.given, DAY), until: this.at(link.until, DAY) }), uses.length > 0 && this.t("links.tags", { uses: this.joined(uses) })],
      ["links.back", "links.back_of", "links.sure", "links.yes"], { partner }, () => this.unlink(link));
  }
  tagView(each) {
    const link = this.links.find(({ partner }) => partner === each.partner);
    const partner = this.n(link?.name) || each.partner;
    const tag = this.n(each.name) || each.tag;
    const facts = [`from.${each.provenance}`, `use.${each.purpose}`].map((key) => this.t(key, { partner }));
    return this.item(`tag-${each.id}`, each.value ? this.t("tags.value", { tag, value: each.value }) : tag,
      [this.joined(facts), this.t("tags.until", { until: this.at(each.until, DAY) })],
      ["tags.remove", "tags.remove_of", "tags.sure", "tags.yes"], { tag }, () => this.remove(each));
  }

  tick(id, says, bad) {
    const change = (event) => {
      this.ticked[event.target.checked ? "add" : "delete"](id);
      if (!bad) return;
      this.wrong = false;
      this.draw();
    };
    return h("label", { class: "choice" },
      h("input", { type: "checkbox", id, checked: this.ticked.has(id), disabled: this.busy, "aria-invalid": bad && "true", "aria-describedby": bad && "wrong", onchange: change }), h("span", {}, says));
  }
  offerView() {
    const text = this.texts[this.zh ? "zh" : "en"];
    if (!text) return this.waiting(() => this.turn(this.spoken));
    return h("div", { role: "group", "aria-labelledby": "offer" },
      h("h3", { class: "group", id: "offer" }, text.title),
      h("dl", {}, text.points.map((point) => [h("dt", {}, point.heading), h("dd", {}, point.says)])),
      h("p", { class: "fine" }, this.t("links.version", text)),
      this.tick("agree", text.agree, this.wrong),
      this.wrong && h("p", { class: "wrong", id: "wrong" }, this.t("links.unread")),
      Object.entries(text.purposes).map(([purpose, says]) => this.tick(purpose, says)),
      this.row(this.button("links.agree", () => this.agree(), { id: "link", disabled: this.busy })));
  }
}

define("branch-links", BranchLinks);
