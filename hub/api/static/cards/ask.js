// Asking for something that is to happen once: fields, and one request until it is known whether the hub has it.
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const Asking = (Base) => class extends Base {
  // Told once when it is on the screen, once more when somebody begins.
  watch() {
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      this.stage("impression");
    });
    seen.observe(this);
    for (const event of ["input", "click"]) this.shadowRoot.addEventListener(event, () => this.stage("start"), { once: true });
  }
  stage(stage) {
    this.staged ||= {};
    this.staged[stage] ||= (async () => {
      await this.staged.impression;
      const body = { stage, service: this.chosen, journey: this.journey };
      this.journey = (await this.ask("seen", { body }).catch(() => null))?.journey || this.journey;
    })();
  }

  field(id, key, hint, more) {
    const { form, wrong, pending } = this;
    const bad = wrong === id;
    return h("div", { class: "group" }, h("label", { class: "label", for: id }, this.t(key)),
      hint && h("p", { class: "fine", id: `${id}-hint` }, this.t(hint)),
      h("input", { id, value: form[id], disabled: !!pending, "aria-invalid": bad && "true", "aria-describedby": `${hint ? `${id}-hint ` : ""}${bad ? "wrong" : ""}`, oninput: (event) => { form[id] = event.target.value; }, ...more }),
      bad && h("p", { class: "wrong", id: "wrong" }, this.t(`wrong.${id}`)));
  }

  // One of a few, each a word of `prefix`.
  oneOf(name, key, values, word) {
    const { form } = this;
    return h("fieldset", { class: "group", disabled: !!this.pending }, h("legend", {}, this.t(key)), h("div", { class: "three" },
      values.map((value) => this.choice(name, value, form[name] === value, () => { form[name] = value; }, word(value)))));
  }

  // No <form>: a frame's sandbox may forbid to submit one. Enter has another code while it ends a word being composed.
  asked(question, key, ...kids) {
    const { busy, pending } = this;
    return h("div", { onkeydown: ({ keyCode, target }) => keyCode === 13 && target.matches("input") && this.send() }, question, kids,
      this.row(this.button(busy ? "ask.sending" : pending ? "card.again" : key, () => this.send(), { id: "send", disabled: busy }),
        !pending && !busy && this.back));
  }

  fail(field) {
    this.wrong = field;
    this.draw(field || "send");
  }

  // Until it is known whether the hub has it, only the very same request is sent again: it cannot happen twice.
  async send() {
    if (this.busy) return;
    const field = !this.pending && this.check();
    if (field) return this.fail(field);
    this.busy = true;
    this.wrong = null;
    this.draw();
    await this.staged?.start;
    this.pending ||= { key: random(), ...this.wanted() };
    try {
      const made = await this.ask(this.pending.path, this.pending);
      this.busy = this.pending = this.follows = this.journey = null;
      this.form = this.blank();
      this.say();
      return this.done(made);
    } catch (error) {
      this.busy = false;
      if (error.unsure) {
        this.say("ask.unsure", {}, true);
        return this.fail();
      }
      this.pending = null;
      return this.failed(error);
    }
  }
};
