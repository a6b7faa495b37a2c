// Choosing a time: a day, its free slots with how busy it is then, the quietest first.
// Only the time is gone: another one can be chosen.
const SLOT_LOST = /\.(slot-gone|own-time|closed)$/;

class Timed extends Card {
  async look(day) {
    // What is picked anew since, be it a day or a service, is another object: its own answer counts.
    const pick = (this.pick = { ...this.pick, day: day || this.pick.day || this.today(), slots: null });
    if (this.away) this.say();
    this.draw();
    try {
      const found = await this.ask(`slots?service=${encodeURIComponent(pick.service)}&day=${pick.day}`);
      if (this.pick !== pick) return;
      // Opened on a day without free times: the next one that has some is shown.
      if (!day && found.next_day) return this.look(found.next_day);
      pick.slots = found;
      if (!this.free.some((slot) => slot.start === pick.start)) pick.start = null;
    } catch (error) {
      if (this.pick !== pick) return;
      this.refuse(error);
    }
    this.draw();
  }

  get free() {
    return this.pick.slots && this.pick.slots.items.filter((slot) => slot.free);
  }

  times() {
    const { day, slots, start, days } = this.pick;
    const list = Array.from({ length: days + 1 }, (_, i) => this.today(i));
    const at = list.indexOf(day);
    const by = (id, text, to) => h("button", { id, class: "quiet", "aria-label": this.t(`day.${id}`), disabled: !list[to], onclick: () => this.look(list[to]) }, text);
    const head = [
      h("label", { class: "label group", for: "day" }, this.t("time.day")),
      h("div", { class: "day" }, by("before", "‹", at - 1),
        h("select", { id: "day", onchange: (event) => this.look(event.target.value) }, list.map((each) => h("option", { value: each, selected: each === day }, this.date(each)))),
        by("after", "›", at + 1)),
    ];
    if (!slots) return [head, this.waiting(() => this.look())];
    const { free } = this;
    const best = free.filter((slot) => slots.best.includes(slot.start));
    const choice = (slot) => this.choice("start", slot.start, slot.start === start, () => { this.pick.start = slot.start; }, h("b", {}, this.time(slot.start)), this.level(slot.level));
    const group = (key, some) => some.length > 0 && h("fieldset", { class: "group" }, h("legend", {}, this.t(key)), h("div", { class: "times" }, some.map(choice)));
    return [
      head,
      !free.length && h("p", { class: "group" }, this.t("time.none")),
      !free.length && slots.next_day && this.row(h("button", { class: "quiet", id: "next", onclick: () => this.look(slots.next_day) }, this.t("time.next", { day: this.date(slots.next_day) }))),
      group("time.best", best),
      group(best.length ? "time.other" : "time.free", free.filter((slot) => !best.includes(slot))),
      this.near?.(slots),
    ];
  }
}
