// What the staff's page says in the reader's language, and what the hub refuses: by the rules that the dashboard has.
"use strict";
const staffWords = (() => {
  let words = {}, refusals = { rules: [], names: {}, unknown: "{message}" };
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

  function say(language, key, values = {}) {
    const pair = words[key];
    return pair ? filled(language === "zh" ? pair[1] : pair[0], values) : key;
  }

  function refused(language, text) {
    if (language !== "zh") return text;
    for (const [pattern, told] of refusals.rules) {
      const found = new RegExp(`^(?:${pattern})$`, "s").exec(text);
      if (!found) continue;
      const named = new Set(Object.values(found.groups || {}));
      return filled(told, found.slice(1).map((part) => (named.has(part) && refusals.names[part]) || part));
    }
    return filled(refusals.unknown, { message: text });
  }

  return { take: (told) => { ({ words, refusals } = told); }, say, refused };
})();
