// How busy a branch is now, and when it is quieter: live by a stream, else by asking again.
const ASK_MS = 30000;
const STALE_MS = 120000;

class BranchCrowding extends Card {
  title() {
    return this.crowd ? this.n(this.crowd.branch) : this.t("crowd.title");
  }

  async open() {
    this.crowd = null;
    const { seal } = this;
    clearInterval(this.clock);
    this.clock = setInterval(() => (this.isConnected ? this.stale === this.wasStale || this.draw() : clearInterval(this.clock)), ASK_MS);
    const going = () => seal === this.seal && this.isConnected && !this.stopped;
    let misses = 0;
    while (going()) {
      try {
        this.show(await this.ask("crowding"));
        misses = 0;
        await this.stream(going);
      } catch (error) {
        if (!error.kind) throw error;
        if (!error.unsure) {
          this.stopped = true;
          this.refuse(error);
          return this.draw();
        }
        misses += 1;
        if (!this.crowd) this.refuse(error);
      }
      if (going()) this.draw();
      await this.rest(Math.min(ASK_MS * 4, misses ? 2000 * 2 ** misses : ASK_MS));
    }
  }

  rest(ms) {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.gone.signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
    });
  }

  show(told) {
    this.crowd = told;
    this.zone = told.timezone;
    this.simulated = told.simulated;
    if (this.away) this.say();
    this.draw();
  }

  // EventSource cannot say who asks; this reads the same format. It ends by itself when there is no stream.
  async stream(going) {
    let reader;
    try {
      const answer = await fetch(`${HUB}/api/v1/card/crowding/stream`, {
        headers: { Authorization: `Embed ${this.seal}` }, credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", signal: this.gone.signal,
      });
      if (!answer.ok || !answer.body) return;
      reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      while (going()) {
        const { value, done } = await reader.read();
        if (done) return;
        const parts = (rest + value).split(/\r?\n\r?\n/);
        rest = parts.pop();
        for (const part of parts) {
          const data = part.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
          const told = data && JSON.parse(data);
          if (told?.today) this.show(told);
        }
      }
      reader.cancel();
    } catch {
      reader?.cancel().catch(() => null);
    }
  }

  get stale() {
    const { as_of: at } = this.crowd || {};
    return !!at && Date.now() - Date.parse(at) > STALE_MS;
  }

  view() {
    const told = this.crowd;
    if (!told) return this.note ? [] : [this.waiting()];
    const { stale } = this;
    this.wasStale = stale;
    const most = Math.max(1, ...told.today.map((hour) => hour.people || 0));
    const row = (hour) => {
      const bar = h("i", { "aria-hidden": "true" });
      bar.style.width = `${Math.round((100 * (hour.people || 0)) / most)}%`;
      const words = hour.people === null ? this.t("crowd.unknown") : this.t("crowd.about", { count: Math.round(hour.people) });
      return h("li", {}, h("span", {}, this.time(hour.start)), h("span", {}, hour.people !== null && bar), h("span", {}, this.level(hour.level) || words));
    };
    // Without a history there is no word for it: then the count itself is what is told first.
    const count = told.fewer_than ? this.t("crowd.fewer", { count: told.fewer_than }) : told.people !== null && this.t("crowd.people", { count: told.people });
    const first = told.open ? this.level(told.level) : this.t("crowd.closed");
    return [
      h("p", { class: stale ? "big stale" : "big" }, first || count || this.t("crowd.not_measured")),
      first && count && h("p", { class: stale ? "stale" : "" }, count),
      told.as_of && h("p", { class: "fine" }, this.t(stale ? "crowd.stale" : "crowd.as_of", { time: this.time(told.as_of) })),
      told.best.length > 0 && h("div", { class: "group" }, h("h3", {}, this.t("crowd.best")), h("ul", {}, told.best.slice(0, 3).map((each) => h("li", {}, `${this.date(each)} ${this.time(each)}`)))),
      told.basis_weeks > 0 && told.today.length > 0 && h("div", { class: "group" }, h("h3", {}, this.t(told.open ? "crowd.today" : "crowd.next")), h("ul", { class: "bars" }, told.today.map(row)),
        h("p", { class: "fine" }, this.t("crowd.basis", { weeks: told.basis_weeks }))),
    ];
  }
}

define("branch-crowding", BranchCrowding);
