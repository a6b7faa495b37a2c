// Book a visit: service, time, name; then the pass. One question per step.
class BranchAppointment extends Asking(Timed) {
  title() {
    return `${this.t("book.title")}${this.offer ? ` · ${this.n(this.offer.branch)}` : ""}`;
  }

  open() {
    this.form ||= this.blank();
    return this.load(this.getAttribute("service"), this.jump);
  }

  // What can be booked here, opened with one service when there is a reason for it.
  async load(service, step, day) {
    const { seal } = this;
    const scene = this.getAttribute("scene");
    Object.assign(this, { offer: null, made: null, pass: null, pending: null, wrong: null });
    this.draw();
    try {
      const offer = await this.ask(`offer?${new URLSearchParams({ lang: this.zh ? "zh" : "en", ...scene && { scene } })}`);
      if (seal !== this.seal) return;
      const { services } = offer;
      this.offer = offer;
      this.adopt(offer);
      const wanted = [service, offer.opens_with, services[0]?.id].find((id) => services.some((each) => each.id === id));
      this.pick = { service: wanted, day, days: offer.days_ahead };
      this.watch();
      this.say();
      this.go(step && wanted === service ? step : this.short ? "time" : "service", !!step);
    } catch (error) {
      this.stopped = error.unsure === false;
      this.refuse(error);
      this.draw();
    }
  }

  // One service, and nothing of it can be done online: there is nothing to ask about it.
  get short() {
    const { services } = this.offer;
    return services.length === 1 && !services[0].online;
  }
  get service() {
    return this.offer.services.find((each) => each.id === this.pick.service);
  }

  get chosen() {
    return this.pick?.service;
  }

  go(step, focus = true) {
    this.at_step = step;
    this.wrong = null;
    if (step === "time") {
      this.pick.kind = "appointments";
      this.look();
    }
    if (step === "who") this.fetchPass();
    this.draw(focus);
  }
  backTo(step) {
    return this.button("book.back", () => { this.say(); this.go(step); }, { class: "quiet" });
  }

  head(at, key) {
    const short = this.short ? 1 : 0;
    return [h("p", { class: "fine" }, this.t("book.step", { at: at - short, of: 3 - short })), this.question(key)];
  }

  view() {
    if (this.made) return this.madeView();
    if (!this.offer) return this.waiting();
    if (!this.pick.service) return h("p", {}, this.t("book.none"));
    return { service: this.serviceView, time: this.timeView, who: this.whoView }[this.at_step].call(this);
  }

  serviceView() {
    const { services, suggestions } = this.offer;
    const rank = (service) => (suggestions.findIndex((each) => each.service === service.id) + 1) || 99;
    const choice = (each) => this.choice("service", each.id, each.id === this.pick.service,
      () => { this.pick = { ...this.pick, service: each.id, start: null }; this.draw(); },
      h("b", {}, this.n(each.name)), this.n(suggestions[rank(each) - 1]?.reason), h("small", {}, this.t("book.minutes", each), each.online && ` · ${this.t("book.online")}`));
    const { online } = this.service;
    return [
      this.head(1, "book.service"),
      h("fieldset", { "aria-labelledby": "question" }, [...services].sort((a, b) => rank(a) - rank(b)).map(choice)),
      // The branch you need not go to: on the hub's own page.
      online && h("div", { class: "note" }, h("h4", {}, this.t("book.not_needed")), h("p", {}, this.t(`online.${online}`)),
        this.link(`embed/branch-document?${new URLSearchParams({ token: this.seal, kind: online, service: this.pick.service, lang: this.zh ? "zh" : "en" })}`, "book.do_online")),
      this.row(this.button("book.next", () => this.go("time"))),
    ];
  }

  timeView() {
    const next = () => {
      if (!this.pick.start) return this.say("time.choose", {}, true);
      this.say();
      return this.go("who");
    };
    return [
      this.head(2, "book.time"),
      h("p", { class: "fine" }, this.n(this.service.name)),
      this.times(),
      this.row(this.free?.length > 0 && this.button("book.next", next), !this.short && this.backTo("service")),
    ];
  }

  // Below the day's times: the waitlist, the queue of today, and branches nearby.
  near({ items, nearby }) {
    const other = (kind) => this.row(this.button(`kind.${kind}`, () => { Object.assign(this.pick, { start: null, kind }); this.say(); this.go("who"); }, { class: "quiet" }));
    const { service } = this;
    return [
      items.length > 0 && !this.free.length && service.waitlist && other("waitlist"),
      service.remote_tickets && this.pick.day === this.today() && other("tickets"),
      nearby.length > 0 && h("h4", { class: "group" }, this.t("time.nearby")),
      nearby.map((each) => this.row(
        h("button", { class: "quiet", onclick: () => { this.seal = each.embed; this.load(service.id, "time", this.today(0, new Date(each.start))); } },
          this.t("time.branch", { branch: this.n(each.branch), km: each.distance_km.toFixed(1), when: this.when(each.start) })),
        this.level(each.level))),
    ];
  }

  whoView() {
    const { pick } = this;
    const ticket = pick.kind === "tickets";
    return this.asked(this.head(3, "book.who"), `kind.${pick.kind}`,
      h("p", { class: "fine" }, `${this.n(this.service.name)} · ${pick.start ? this.when(pick.start) : this.date(pick.day)}`),
      this.field("name", "book.name", null, { autocomplete: "name", maxlength: 60 }),
      !ticket && [
        this.oneOf("title", "book.call", ["ms", "mr", ""], (value) => this.t(`call.${value || "plain"}`)),
        this.offer.remind_hint && this.field("contact", "book.contact", this.offer.remind_hint, { maxlength: 254 }),
      ],
      pick.kind === "waitlist" && h("p", {}, this.n(this.offer.waitlist)),
      h("p", { class: "fine group" }, this.t("book.privacy", { days: this.offer.keep_days })));
  }
  get back() {
    return this.backTo("time");
  }
  blank() {
    return { name: "", title: "", contact: "" };
  }
  check() {
    const { name, contact } = this.form;
    if (!/^\s*\p{L}/u.test(name) && (name.trim() || this.pick.kind !== "tickets")) return "name";
    return !this.offer.remind_by.includes("phone") && /^[^@]*\S[^@]*$/.test(contact) && "contact";
  }

  wanted() {
    const { form, pick, journey } = this;
    const contact = form.contact.trim();
    const body = { service: pick.service, name: form.name.trim(), language: this.zh ? "zh" : "en", journey };
    if (pick.kind !== "tickets") {
      if (pick.start) Object.assign(body, { start: pick.start, follows: this.follows });
      else body.day = pick.day;
      if (form.title) body.title = form.title;
      if (contact) body.contact = { [contact.includes("@") ? "email" : "phone"]: contact };
    }
    return { path: pick.kind, body };
  }

  async done(made) {
    const { site, service, start, day, state } = made.details;
    this.staged = null;
    this.made = made;
    this.tell("booked", { site, service: service.id, start, day, state });
    this.draw(true);
    await this.fetchPass();
    this.draw(true);
  }

  failed(error) {
    if (SLOT_LOST.test(error.kind)) {
      this.refuse(error);
      this.pick.start = null;
      return this.go("time");
    }
    const contact = / (phone|mail)/.test(error.message);
    if (contact) this.say();
    else this.refuse(error);
    return this.fail(contact && "contact");
  }

  // The pass is a card of its own, fetched when it is nearly needed and only as the file that it was made with.
  fetchPass() {
    const fetched = (done) => {
      const trusted = window.trustedTypes?.createPolicy("branchloop", { createScriptURL: (url) => url });
      const url = `${HUB}/cards/v1/branch-pass.js?v=${PASS.v}`;
      document.head.append(h("script", { src: trusted ? trusted.createScriptURL(url) : url, integrity: PASS.integrity, crossorigin: "anonymous", onload: done, onerror: done }));
    };
    return (this.coming ||= customElements.get("branch-pass") ? null : new Promise(fetched).catch(() => null));
  }

  madeView() {
    const { details, secret, url } = this.made;
    if (!customElements.get("branch-pass")) {
      return [this.question("state.booked"), h("p", {}, details.start && this.when(details.start)), h("p", {}, details.code), this.link(url, "pass.link")];
    }
    if (!this.pass) {
      this.pass = h("branch-pass", { inside: true, theme: this.getAttribute("theme") });
      Object.assign(this.pass, { url, details, secret, fresh: true });
    }
    this.pass.lang = this.zh ? "zh" : "en";
    return this.pass;
  }

  // By the page's own token, while it holds and is of the same branch: it knows best who is signed in.
  bookNext(service, follows, seal) {
    this.follows = follows;
    this.seal = this.getAttribute("token");
    if (this.misplaced() || this.values.site !== this.made.details.site) this.seal = seal;
    return this.load(service, "time");
  }
}

define("branch-appointment", BranchAppointment);
