// A pass: by its secret, which is given by script, or stands behind the # on the hub's own page.
const BEATS_MS = { arrived: 5000, called: 5000, parked: 5000 };
const REST_MS = 30000;
const SLOWEST_MS = 120000;

class BranchPass extends Timed {
  #secret = "";

  title() {
    return this.pass ? this.n(this.pass.branch) : this.t("pass.title");
  }
  get needsToken() {
    return false;
  }
  get own() {
    return this.hasAttribute("from-fragment") && location.origin === new URL(HUB).origin;
  }
  set secret(secret) {
    this.#secret = `${secret || ""}`;
    if (this.gone) this.begin();
  }

  open() {
    const { signal } = this.gone;
    const { own } = this;
    if (own) window.addEventListener("hashchange", (this.again ||= () => this.begin()), { signal });
    document.addEventListener("visibilitychange", (this.awake ||= () => document.hidden || this.beat(0)), { signal });
    if (own) this.#secret = location.hash.slice(1, 65);
    Object.assign(this, { pass: null, qr: null, moving: null, asking: null, misses: 0 });
    if (!this.#secret) return this.stop("pass.none");
    if (this.details) this.show(this.details);
    return this.beat(this.details ? REST_MS : 0);
  }

  send(path, more) {
    return this.ask(path, { ...more, pass: this.#secret }).catch((error) => {
      throw Object.assign(error, { stray: error.status === 401 });
    });
  }
  refuse(error) {
    return error.stray ? this.say("pass.unknown", {}, true) : super.refuse(error);
  }

  // Ask again after a while: soon while waiting, seldom otherwise, ever more seldom while nobody answers.
  beat(ms = Math.min(SLOWEST_MS, (BEATS_MS[this.pass?.state] || REST_MS) * 2 ** this.misses)) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (this.gone.signal.aborted || !this.#secret) return;
      if (!document.hidden && !this.moving && !this.busy) await this.refresh();
      this.beat();
    }, ms);
  }

  async refresh() {
    const secret = this.#secret;
    try {
      const details = await this.send("pass");
      if (secret === this.#secret && !this.busy) this.show(details);
    } catch (error) {
      if (secret !== this.#secret) return;
      this.misses = Math.min(5, this.misses + 1);
      if (!error.unsure) {
        this.#secret = "";
        this.stopped = true;
      }
      if (!this.pass || !error.unsure) this.refuse(error);
      this.draw();
    }
  }

  show(details) {
    const { pass: before, misses } = this;
    this.misses = 0;
    this.pass = details;
    this.adopt(details);
    this.seal = details.embed;
    if (misses) this.say();
    if (before && before.state !== details.state && details.state === "arrived") this.tell("checked-in", this.outline());
    const { as_of: _, ...now } = { ...details, embed: "" };
    const drawn = JSON.stringify(now);
    if (misses || drawn !== this.drawn) {
      this.drawn = drawn;
      this.draw(this.fresh);
      this.fresh = false;
      const words = this.state();
      if (before && `${words}` !== `${this.words}`) {
        this.say(...words);
        this.live.classList.add("unseen");
      }
      this.words = words;
    }
    if (details.code && !this.qr) this.paint();
  }

  outline() {
    const { site, service, start, day, state } = this.pass;
    return { site, service: service.id, start, day, state };
  }

  // The hub's picture is read as text and drawn anew: only its path is taken over.
  async paint() {
    const text = await this.send("pass/qr.svg", { as: "text" }).catch(() => "");
    const [d, wide, scale] = [/\sd="([Mmhvz0-9 .-]+)"/, /\swidth="(\d+)"/, /scale\((\d+)\)/].map((part) => part.exec(text)?.[1]);
    if (!d || !wide) return;
    this.qr = { d, side: wide / (scale || 1) };
    this.draw();
  }

  async step(path, body = {}) {
    this.busy = true;
    this.draw();
    try {
      const details = await this.send(`pass/${path}`, { body });
      Object.assign(this, { moving: null, asking: null, busy: false, words: null });
      this.say();
      this.show(details);
      if (path === "move") this.say("pass.moved");
      if (path !== "confirm") this.tell(path === "move" ? "moved" : "cancelled", this.outline());
      this.draw(true);
    } catch (error) {
      this.busy = false;
      this.refuse(error);
      if (SLOT_LOST.test(error.kind)) return this.look();
      this.draw();
      if (error.status === 409) { // the visit is no longer what is shown: somebody went another way elsewhere
        Object.assign(this, { moving: null, asking: null, words: null });
        await this.refresh();
      }
    }
    return null;
  }

  async save() {
    try {
      give(await this.send(`pass/calendar.ics?lang=${this.zh ? "zh" : "en"}`, { as: "blob" }), "appointment.ics");
    } catch (error) {
      this.refuse(error);
    }
  }

  // Where the visit stands, in words.
  state() {
    const { state, kind, counter, counter_name: named, outcome, offered_until: until, you_are_next: next, waitlist } = this.pass;
    if (state === "cancelled" && waitlist) return [waitlist];
    if (state === "waitlisted" && until) return ["state.offered", { time: this.time(until) }];
    if (state === "arrived" && next) return ["state.next"];
    if (state === "called" && counter) return ["state.at", { counter: this.n(named) || counter }];
    if (state === "booked" && kind === "remote") return ["state.remote"];
    return [state === "left" && outcome ? "state.over" : `state.${state}`];
  }

  view() {
    const { pass, busy } = this;
    if (!pass) return this.waiting();
    if (this.moving) return this.moveView();
    const { state, service, may, embed, wait } = pass;
    const coming = state === "booked" || state === "waitlisted";
    const inside = state === "arrived" || state === "parked";
    const fact = (key, ...value) => value.some(Boolean) && [h("dt", {}, this.t(key)), h("dd", {}, value)];
    const minutes = (wait) => {
      const [from, to] = [Math.floor(wait.low_s / 60), Math.max(1, Math.ceil(wait.high_s / 60))];
      return from === to || to < 2 ? this.t("pass.minutes", { to }) : this.t("pass.range", { from, to });
    };
    const book = (key, id, props) => embed && this.button(key, () => this.bookNext(id), props);
    const act = (name, onclick, props) => may.includes(name) && this.button(`may.${name}`, onclick, { disabled: busy, ...props });
    return [
      this.question(...this.state()),
      this.misses > 0 && h("p", { class: "stale" }, this.t("pass.stale", { time: this.time(pass.as_of) })),
      coming && pass.waitlist && h("p", {}, this.n(pass.waitlist)),
      pass.number && h("p", { class: "big" }, pass.number),
      inside && wait && [h("p", { class: "label group" }, this.t("pass.wait")), h("p", { class: "big" }, minutes(wait)), wait.basis === "planned" && h("p", { class: "fine" }, this.t("pass.planned"))],
      inside && pass.ahead > 0 && h("p", { class: "fine" }, this.t("pass.ahead", { count: pass.ahead })),
      h("div", { class: "two" },
        coming && pass.code && this.qr && s("svg", { class: "qr", viewBox: `0 0 ${this.qr.side} ${this.qr.side}`, role: "img", "aria-label": this.t("pass.qr") }, s("path", { d: this.qr.d, stroke: "#000" })),
        h("dl", {},
          coming && fact(pass.kind === "remote" ? "pass.turn" : "pass.when", pass.start ? this.when(pass.start) : this.date(pass.day)),
          coming && pass.arrive_from && fact("pass.arrive", this.t("pass.between", { from: this.time(pass.arrive_from), to: this.time(pass.arrive_to) })),
          fact("pass.service", this.n(service.name)),
          coming && fact("pass.name", pass.masked_name !== "—" && pass.masked_name),
          fact("pass.where", [this.n(pass.branch), this.n(pass.address)].filter(Boolean).join(", ")),
          coming && fact("pass.code", pass.code && h("span", { class: "code" }, pass.code)),
          fact("pass.outcome", pass.outcome && this.t(`outcome.${pass.outcome}`)),
          coming && fact("pass.bring", service.documents.length > 0 && h("ul", {}, service.documents.map((each) => h("li", {}, this.n(each))))))),
      pass.follow_up && h("div", { class: "note" }, h("h4", {}, this.t("pass.follow_up")), h("p", {}, pass.follow_up.text),
        pass.follow_up.service && this.row(book("pass.follow", pass.follow_up.service))),
      pass.next.length > 0 && h("h4", { class: "group" }, this.t("pass.suggested")),
      pass.next.map((each) => [h("p", {}, this.n(each.reason)), this.row(book("pass.follow", each.service, { class: "quiet", id: `next-${each.service}` }))]),
      this.asking
        ? h("div", { class: "note", role: "group", "aria-labelledby": "sure" }, h("p", { id: "sure" }, this.t("pass.sure")), this.row(
          this.button("pass.yes", () => this.step("cancel"), { class: "risk", disabled: busy }),
          this.button("pass.keep", () => this.sure(false), { class: "quiet", disabled: busy })))
        : this.row(
          act("confirm", () => this.step("confirm")),
          embed && act("move", () => this.startMove(), { class: "quiet" }),
          state === "booked" && pass.start && this.button("pass.calendar", () => this.save(), { class: "quiet" }),
          act("cancel", () => this.sure(true), { class: "quiet" }),
          ["cancelled", "missed", "left"].includes(state) && embed && this.button("pass.rebook", () => this.bookNext(service.id, true))),
      this.url && coming && this.link(this.url, "pass.link"),
    ];
  }

  sure(asking) {
    this.asking = asking;
    this.draw(asking ? "pass.keep" : "may.cancel");
  }

  startMove() {
    const { service, start, day } = this.pass;
    this.moving = true;
    this.pick = { service: service.id, day, start, days: 60 };
    this.say();
    this.look();
    this.draw(true);
  }
  moveView() {
    const go = () => (this.pick.start ? this.step("move", { start: this.pick.start }) : this.say("time.choose", {}, true));
    const stay = () => { this.moving = null; this.say(); this.draw(true); };
    return [this.question("pass.move_to"), this.times(),
      this.row(this.button("pass.move_now", go, { disabled: this.busy }), this.button("pass.stay", stay, { class: "quiet" }))];
  }

  // What comes next is booked by the card around this one, or by one in its place; else the page is told.
  bookNext(service, anew) {
    const follows = anew ? undefined : this.#secret;
    const around = this.getRootNode().host;
    if (around?.bookNext) return around.bookNext(service, follows, this.pass.embed);
    if (!customElements.get("branch-appointment")) return this.tell("book", { service });
    const card = h("branch-appointment", { token: this.pass.embed, service, lang: this.zh ? "zh" : "en", theme: this.getAttribute("theme") });
    Object.assign(card, { follows, jump: "time" });
    if (this.own) { // loaded anew, the page is of the new visit; back, of this one
      card.addEventListener("branchloop:booked", () => history.pushState(null, "", `#${card.made.secret}`));
      window.onpopstate = () => location.reload();
    }
    return this.replaceWith(card);
  }
}

define("branch-pass", BranchPass);
