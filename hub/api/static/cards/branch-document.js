// A service that needs no visit: a certificate as a signed PDF, or a second-class account.
const ASK_MS = 15000;
const PURPOSES = ["visa", "study", "residence", "tender", "other"];
const IDENTITIES = ["identity_card", "passport", "residence_permit"];

class BranchDocument extends Asking(Card) {
  #secret = "";

  title() {
    const { request, service } = this;
    return this.n((request?.service || service)?.name) || this.t("doc.title");
  }
  get needsToken() {
    return !this.own;
  }
  // On the hub's own page the request's secret stands behind the #.
  get own() {
    return this.hasAttribute("from-fragment") && location.origin === new URL(HUB).origin;
  }

  async open() {
    clearTimeout(this.timer);
    const { signal } = this.gone;
    document.addEventListener("visibilitychange", (this.awake ||= () => document.hidden || this.beat(0)), { signal });
    if (this.own) window.addEventListener("hashchange", (this.again ||= () => this.begin()), { signal });
    this.form ||= this.blank();
    Object.assign(this, { request: null, offer: null, misses: 0 });
    if (this.own) {
      this.#secret = location.hash.slice(1, 65);
      return this.#secret ? this.beat(0) : this.stop("doc.none");
    }
    try {
      this.offer = await this.ask("offer");
      this.adopt(this.offer);
      const online = this.offer.services.filter((each) => each.online);
      const kind = this.getAttribute("kind");
      this.service = online.find((each) => each.id === this.getAttribute("service")) || online.find((each) => each.online === kind) || online[0];
      this.services = online;
      [this.at_step] = this.steps();
      this.watch();
      this.say();
    } catch (error) {
      this.stopped = error.unsure === false;
      this.refuse(error);
    }
    return this.draw();
  }

  blank() {
    return { purpose: "visa", currency: "CNY", until: "", name: "", phone: "", kind: "identity_card", last: "" };
  }
  get chosen() {
    return this.service?.id;
  }
  steps() {
    return [this.services.length > 1 && "service", this.service?.online === "certificate" && "what", "who"].filter(Boolean);
  }
  head(key) {
    const steps = this.steps();
    return [h("p", { class: "fine" }, this.t("book.step", { at: steps.indexOf(this.at_step) + 1, of: steps.length })), this.question(key)];
  }
  turnTo(by) {
    const steps = this.steps();
    this.at_step = steps[steps.indexOf(this.at_step) + by];
    this.wrong = null;
    this.say();
    this.draw(true);
  }
  get back() {
    return this.steps()[0] !== this.at_step && this.button("book.back", () => this.turnTo(-1), { class: "quiet" });
  }
  next(go = () => this.turnTo(1)) {
    return this.row(this.button("book.next", go), this.back);
  }

  view() {
    if (this.request) return this.requestView();
    if (!this.offer) return this.waiting();
    if (!this.service) return h("p", {}, this.t("doc.nothing"));
    const steps = this.steps();
    if (!steps.includes(this.at_step)) [this.at_step] = steps;
    return { service: this.serviceView, what: this.whatView, who: this.whoView }[this.at_step].call(this);
  }

  serviceView() {
    const choice = (each) => this.choice("service", each.id, each === this.service, () => { this.service = each; this.draw(); }, h("b", {}, this.n(each.name)), h("small", {}, this.t(`online.${each.online}`)));
    return [this.head("doc.which"), h("fieldset", { "aria-labelledby": "question" }, this.services.map(choice)), this.next()];
  }

  whatView() {
    const { form } = this;
    const go = () => {
      if (!/^[A-Z]{3}$/.test(form.currency = form.currency.trim().toUpperCase())) return this.fail("currency");
      if (form.until && form.until <= this.today()) return this.fail("until");
      return this.turnTo(1);
    };
    return [
      this.head("doc.what"),
      this.oneOf("purpose", "doc.purpose", PURPOSES, (value) => this.t(`purpose.${value}`)),
      this.field("currency", "doc.currency", "doc.currency_hint", { maxlength: 3 }),
      this.field("until", "doc.until", "doc.until_hint", { type: "date", min: this.today(1) }),
      this.next(go),
    ];
  }

  whoView() {
    return this.asked(this.head("doc.who"), "doc.ask",
      this.field("name", "doc.name", null, { autocomplete: "name", maxlength: 60 }),
      this.field("phone", "doc.phone", "doc.phone_hint", { type: "tel", autocomplete: "tel", maxlength: 40 }),
      this.oneOf("kind", "doc.identity", IDENTITIES, (value) => this.t(`identity.${value}`)),
      this.field("last", "doc.last", "doc.last_hint", { maxlength: 4, autocomplete: "off" }),
      h("p", { class: "fine group" }, this.t("doc.privacy", { days: this.offer.keep_days })));
  }
  check() {
    const { form } = this;
    form.last = form.last.trim().toUpperCase();
    if (!/^\p{L}/u.test(form.name.trim())) return "name";
    if (!/^[+\d][\d\s().-]{4,}$/.test(form.phone.trim())) return "phone";
    return !/^[0-9A-Z]{4}$/.test(form.last) && "last";
  }
  wanted() {
    const { form, service } = this;
    const body = { service: service.id, name: form.name.trim(), phone: form.phone.trim(), identity: { kind: form.kind, last_four: form.last }, language: this.zh ? "zh" : "en", journey: this.journey };
    if (service.online === "certificate") body.certificate = { purpose: form.purpose, currency: form.currency, ...(form.until && { hold_until: form.until }) };
    return { path: "requests", body };
  }
  done({ secret, details }) {
    this.#secret = secret;
    this.request = details;
    this.staged = null;
    this.tell("requested", this.outline());
    this.draw(true);
    this.beat();
  }
  failed(error) {
    const field = / phone/.test(error.message) ? "phone" : / name/.test(error.message) && "name";
    if (field) this.say();
    else this.refuse(error);
    return this.fail(field);
  }

  // ---- what became of it

  outline() {
    const { site, service, kind, state } = this.request;
    return { site, service: service.id, kind, state };
  }
  beat(ms = ASK_MS * 2 ** this.misses) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (this.gone.signal.aborted || !this.#secret) return;
      if (!document.hidden && !this.busy) await this.refresh();
      this.beat();
    }, ms);
  }
  async refresh(path = "request", body = undefined) {
    try {
      const before = this.request?.state;
      this.request = await this.ask(path, { body, pass: this.#secret });
      this.adopt(this.request);
      if (this.misses) this.say();
      this.misses = 0;
      if (before && before !== this.request.state) {
        this.say(`request.${this.request.state}`);
        this.live.classList.add("unseen");
      }
      if (body || before !== this.request.state) this.draw(!!body);
    } catch (error) {
      this.misses = Math.min(3, this.misses + 1);
      if (!error.unsure && !this.request) this.stopped = true;
      if (!error.unsure) this.#secret = this.request ? this.#secret : "";
      if (!this.request || body) this.refuse(error);
      this.draw();
    }
  }
  async fetchPdf() {
    try {
      give(await this.ask("request/document.pdf", { pass: this.#secret, as: "blob" }), `${this.request.code}.pdf`);
    } catch (error) {
      this.refuse(error);
    }
    await this.refresh();
  }
  sure(asking) {
    this.asking = asking;
    this.draw(asking ? "doc.keep" : "doc.withdraw");
  }

  requestView() {
    const { request, misses } = this;
    const { state, may, account } = request;
    const fact = (key, ...value) => value.some(Boolean) && [h("dt", {}, this.t(key)), h("dd", {}, value)];
    const withdraw = () => { this.asking = false; this.refresh("request/withdraw", {}); };
    return [
      this.question(`request.${state}`),
      misses > 0 && h("p", { class: "fine" }, this.t("doc.stale", { time: this.time(request.as_of) })),
      (state === "asked" || state === "checking") && h("p", {}, this.t("doc.comes")),
      request.reason && h("p", {}, this.n(request.reason)),
      h("dl", {},
        fact("doc.name", request.masked_name),
        fact("doc.made", this.when(request.made)),
        account && fact("doc.account", `${this.n(account.product)} ···· ${account.last_four}`),
        fact("doc.code", request.code && h("b", {}, request.code)),
        fact("doc.expires", request.document && request.expires && this.when(request.expires))),
      request.verify_url && this.link(request.verify_url, "doc.verify"),
      this.asking
        ? h("div", { class: "note", role: "group", "aria-labelledby": "sure" }, h("p", { id: "sure" }, this.t("doc.sure")), this.row(this.button("doc.yes", withdraw, { class: "risk" }), this.button("doc.keep", () => this.sure(false), { class: "quiet" })))
        : this.row(may.includes("fetch") && this.button("doc.fetch", () => this.fetchPdf()), may.includes("withdraw") && this.button("doc.withdraw", () => this.sure(true), { class: "quiet" })),
      !this.own && may.length > 0 && this.link(`document#${this.#secret}${this.offer.linked === false ? `&${this.seal}` : ""}`, "doc.link"),
    ];
  }
}

define("branch-document", BranchDocument);
