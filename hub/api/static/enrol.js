// The enrolment page. Photos are scaled, sealed to the branch's box here, and only then sent.
// The format is that of branchloop/keys/sealing.py; tests/browser holds both to each other.
"use strict";
(() => {
  const MAX_SIDE = 640, MAX_BYTES = 300 * 1024, MIN_SIDE = 200, WANTED = 3;
  const DARK = 40, BLURRED = 12; // mean luma of 255; variance of the Laplacian at 320 px
  const POLL_MS = 4000;
  const at = (id) => document.getElementById(id);
  const [, , token] = location.pathname.split("/");
  const api = `/api/v1/enrolments/${encodeURIComponent(token)}`;
  let language = (navigator.language || "zh").toLowerCase().startsWith("zh") ? "zh" : "en";
  let words = {}, view = null, stage = "consent", photos = [], stream = null, polling = 0, keys = null, shown = null;

  const say = (key, values = {}) => {
    const pair = words[key];
    if (!pair) return key;
    return (language === "zh" ? pair[1] : pair[0]).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  };
  const put = (id, key, values) => { at(id).textContent = say(key, values); };
  // A moment in the branch's own time, as the cards tell it; the receipt itself keeps its UTC.
  const when = (moment) => [{ weekday: "short", day: "numeric", month: "short" }, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }]
    .map((style) => new Date(moment).toLocaleString(language === "zh" ? "zh-CN" : "en-GB", { timeZone: view.branch.timezone, ...style })).join(" ");
  const tell = (text, bad = false) => { const said = at("said"); said.textContent = text; said.className = bad ? "bad" : ""; };
  const problem = (make) => { shown = make; tell(make ? make() : "", true); };

  // --- numbers, keys, seals ---------------------------------------------------------------------------
  const encode = (bytes) => {
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const utf8 = (text) => new TextEncoder().encode(text);
  const joined = (a, b) => { const all = new Uint8Array(a.length + b.length); all.set(a); all.set(b, a.length); return all; };
  const fingerprint = async (raw) =>
    [...new Uint8Array(await crypto.subtle.digest("SHA-256", raw))].map((b) => b.toString(16).padStart(2, "0")).join("").slice(0, 32);
  const grouped = (hex) => hex.match(/.{4}/g).join(" ");

  async function verified(certificate, device) {
    const root = await crypto.subtle.importKey(
      "raw", decode(view.root_public), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    const { site, public: point, not_after_ms: end, signature } = certificate;
    const text = ["branchloop/1/boxkey", site, certificate.device, point, String(end)].join("\n");
    const good = await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, root, decode(signature), utf8(text));
    if (!good || site !== view.branch.id || certificate.device !== device || Date.now() >= end) throw new Error("certificate");
    return decode(point);
  }

  async function seal(raw, plain, context) {
    const recipient = await crypto.subtle.importKey("raw", raw, { name: "ECDH", namedCurve: "P-256" }, false, []);
    const own = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
    const epk = new Uint8Array(await crypto.subtle.exportKey("raw", own.publicKey));
    const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: recipient }, own.privateKey, 256);
    const hkdf = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
    const key = await crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-256", salt: joined(epk, raw), info: utf8("branchloop/1/seal") },
      hkdf, { name: "AES-GCM", length: 256 }, false, ["encrypt"]);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const ct = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: utf8(context) }, key, plain));
    return { v: 1, to: await fingerprint(raw), epk: encode(epk), iv: encode(iv), ct: encode(ct) };
  }

  async function examineKeys() {
    if (!window.isSecureContext || !crypto.subtle) { problem(() => say("enrol.insecure")); return null; }
    const open = view.kiosks.filter((kiosk) => kiosk.state !== "enrolled" && kiosk.state !== "waiting");
    if (!open.length || !view.root_public) { problem(() => say("enrol.key.none")); return null; }
    try {
      return await Promise.all(open.map(async (kiosk) => {
        const raw = await verified(kiosk.certificate, kiosk.device);
        return { device: kiosk.device, raw, name: await fingerprint(raw) };
      }));
    } catch (error) {
      problem(() => say("enrol.key.bad"));
      return null;
    }
  }

  // --- photos -----------------------------------------------------------------------------------------
  const toBlob = (canvas, quality) => new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));

  function quality(canvas) {
    const scale = Math.min(1, 320 / Math.max(canvas.width, canvas.height));
    const width = Math.max(3, Math.round(canvas.width * scale)), height = Math.max(3, Math.round(canvas.height * scale));
    const small = Object.assign(document.createElement("canvas"), { width, height });
    const context = small.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const grey = new Float32Array(width * height);
    let sum = 0;
    for (let i = 0; i < grey.length; i++) {
      grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
      sum += grey[i];
    }
    let first = 0, second = 0, count = 0;
    for (let y = 1; y < height - 1; y++) for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const edge = grey[i - 1] + grey[i + 1] + grey[i - width] + grey[i + width] - 4 * grey[i];
      first += edge; second += edge * edge; count++;
    }
    const variance = second / count - (first / count) ** 2;
    if (Math.min(canvas.width, canvas.height) < MIN_SIDE) return "small";
    if (sum / grey.length < DARK) return "dark";
    return variance < BLURRED ? "blurred" : "good";
  }

  async function take(source, width, height) {
    if (photos.length >= WANTED) return;
    const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(width * scale), height: Math.round(height * scale) });
    canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
    const verdict = quality(canvas);
    if (verdict !== "good") { problem(() => say(`enrol.photos.${verdict}`)); return; }
    let blob = null;
    for (let level = 0.92; level > 0.3; level -= 0.1) {
      blob = await toBlob(canvas, level); // drawn anew: no EXIF comes along
      if (blob.size <= MAX_BYTES) break;
    }
    photos.push({ blob, url: URL.createObjectURL(blob) });
    shown = null;
    tell(say("enrol.photos.good", { number: photos.length }));
    render();
  }

  async function readFiles(files) {
    for (const file of files) {
      try {
        const bitmap = await createImageBitmap(file);
        await take(bitmap, bitmap.width, bitmap.height);
        bitmap.close();
      } catch (error) {
        problem(() => say("enrol.photos.unreadable"));
      }
    }
  }

  async function startCamera() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } }, audio: false });
      at("preview").srcObject = stream;
      await at("preview").play();
    } catch (error) {
      stream = null;
      problem(() => say("enrol.camera.none"));
    }
    render();
  }

  function stopCamera() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    at("preview").srcObject = null;
  }

  function dropPhotos() {
    photos.forEach((photo) => URL.revokeObjectURL(photo.url));
    photos = [];
  }

  // --- talking to the hub -----------------------------------------------------------------------------
  async function ask(path, body) {
    const answer = await fetch(path, body === undefined ? {} : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const told = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(`${told.detail} ${told.hint}`), { status: answer.status, told: true });
    return told;
  }

  const failed = (error) => problem(() => {
    if (error.status === 404) return say("consent.link.unknown");
    return error.told ? say("enrol.failed", { detail: error.message }) : say("enrol.unreachable");
  });

  async function send() {
    at("send").disabled = true;
    tell(say("enrol.sending"));
    try {
      keys = await examineKeys(); // again: what was shown is what is used
      if (!keys) { at("send").disabled = false; return; }
      const text = view.texts[language];
      const minor = at("minor").checked;
      const consent = {
        version: text.version, language, sha256: text.sha256, agreed: at("agree").checked, minor,
        expires_ms: view.expires_ms,
        guardian: minor ? { name: at("guardian-name").value.trim(), agreed: at("guardian-agree").checked } : null,
      };
      const plains = await Promise.all(photos.map(async (photo) => new Uint8Array(await photo.blob.arrayBuffer())));
      for (const key of keys) {
        const sealed = await Promise.all(plains.map((plain, index) => seal(key.raw, plain, ["photo", view.branch.id, key.device,
          view.customer, view.consent, key.name, String(index), String(view.expires_ms)].join("\n"))));
        view = await ask(api, { consent, device: key.device, photos: sealed });
      }
      dropPhotos();
      stopCamera();
      stage = "state";
      problem(null);
      render();
      at("main").focus();
      poll();
    } catch (error) {
      failed(error);
      at("send").disabled = false;
    }
  }

  async function withdraw() {
    try {
      view = await ask(`${api}/withdraw`, {});
      at("sure").hidden = true;
      problem(null);
      render();
      poll();
    } catch (error) { failed(error); }
  }

  function poll() {
    clearTimeout(polling);
    if (stage !== "state" || !["waiting", "pending", "moving"].includes(view.step)) return;
    polling = setTimeout(async () => {
      try { view = await ask(api); problem(null); render(); } catch (error) { failed(error); }
      poll();
    }, POLL_MS);
  }

  // --- what is seen -----------------------------------------------------------------------------------
  const list = (id, items) => at(id).replaceChildren(...items);
  const made = (tag, text) => Object.assign(document.createElement(tag), { textContent: text ?? "" });

  function renderConsent() {
    const text = view.texts[language];
    put("consent-at", "enrol.steps", { at: 1 });
    at("consent-title").textContent = text.title;
    put("optional", "enrol.optional");
    list("points", text.points.flatMap((point) => [made("dt", point.heading), made("dd", point.says)]));
    put("version", "enrol.text.version", { version: text.version, sha256: text.sha256 });
    put("minor-label", "enrol.minor");
    put("guardian-title", "enrol.guardian");
    put("guardian-name-label", "enrol.guardian.name");
    at("guardian-agree-label").textContent = text.guardian;
    at("agree-label").textContent = text.agree;
    put("next", "enrol.next");
    if (view.minor) { at("minor").checked = true; at("minor").disabled = true; }
    at("guardian").hidden = !at("minor").checked;
    const guarded = !at("minor").checked || (at("guardian-agree").checked && at("guardian-name").value.trim() !== "");
    at("next").disabled = !(at("agree").checked && guarded);
  }

  function renderPhotos() {
    put("photos-at", "enrol.steps", { at: 2 });
    put("photos-title", "enrol.step.photos");
    put("photos-how", "enrol.photos.how");
    put("camera", "enrol.camera");
    put("take", "enrol.take");
    put("choose", "enrol.choose");
    put("count", "enrol.photos.count", { count: photos.length });
    put("send", "enrol.send");
    at("preview").hidden = at("take").hidden = !stream;
    at("camera").hidden = !!stream;
    list("taken", photos.map((photo, index) => {
      const item = made("li");
      const image = Object.assign(made("img"), { src: photo.url, alt: say("enrol.photo", { number: index + 1 }) });
      const remove = Object.assign(made("button", say("enrol.remove", { number: index + 1 })), { type: "button", className: "quiet" });
      remove.addEventListener("click", () => { URL.revokeObjectURL(photo.url); photos.splice(index, 1); problem(null); render(); });
      item.append(image, remove);
      return item;
    }));
    list("keys", (keys || []).flatMap((key) => {
      const line = made("p", say("enrol.key", { device: key.device }) + ": ");
      const code = made("code", grouped(key.name));
      code.dataset.device = key.device;
      line.append(code);
      return [line];
    }).concat(keys ? [made("p", say("enrol.key.why")), Object.assign(made("p", say("enrol.key.root", { fingerprint: grouped(view.root_fingerprint) })), { className: "fine" })] : []));
    at("send").disabled = photos.length < WANTED || !keys;
  }

  function renderState() {
    put("state-at", "enrol.steps", { at: 3 });
    put("state-title", "enrol.step.state");
    const failedAt = view.holders.find((holder) => holder.state === "failed");
    const known = failedAt && words[`consent.reason.${failedAt.reason}`];
    const reason = say(known ? `consent.reason.${failedAt.reason}` : "consent.reason.other");
    put("step", `consent.state.${view.step}`, { reason });
    at("step").dataset.step = view.step;
    at("again").hidden = view.step !== "retry";
    put("again", "enrol.again");
    put("holders-title", "consent.holders");
    list("holders", view.holders.map((holder) => made("li", `${(view.branches[holder.branch] || {})[language] || holder.branch} · ${holder.device}: ${say(`consent.holder.${holder.state}`)}`)));
    put("receipts-title", "consent.receipts");
    list("receipts", view.receipts.map((receipt) => {
      const item = made("li");
      const link = made("a", say(`consent.receipt.${receipt.event}`));
      link.href = URL.createObjectURL(new Blob([receipt.body], { type: "application/json" }));
      link.download = `receipt-${receipt.event}-${view.consent}.json`;
      item.append(link, made("span", ` ${when(receipt.at)}`));
      return item;
    }));
    put("link-says", "consent.link");
    at("link").href = at("link").textContent = `${location.origin}/consent/${token}`;
    at("withdraw").hidden = !["waiting", "enrolled", "retry", "moving"].includes(view.step) || !at("sure").hidden;
    put("withdraw", "consent.withdraw");
    put("sure-says", "consent.withdraw.sure");
    put("sure-yes", "consent.withdraw.yes");
    put("sure-no", "consent.withdraw.no");
  }

  function render() {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    put("title", "enrol.title");
    document.title = say("enrol.title");
    put("language", "enrol.language");
    at("language").lang = language === "zh" ? "en" : "zh-CN";
    if (shown) tell(shown(), true);
    if (!view) return;
    put("who", "enrol.for", { name: view.masked_name, branch: view.branch.name[language] });
    at("ribbon").hidden = !view.branch.simulated;
    put("ribbon", "enrol.simulated");
    for (const name of ["consent", "photos", "state"]) at(name).hidden = name !== stage;
    ({ consent: renderConsent, photos: renderPhotos, state: renderState })[stage]();
  }

  async function toPhotos() {
    stage = "photos";
    problem(null);
    keys = await examineKeys();
    render();
    at("main").focus();
  }

  at("language").addEventListener("click", () => { language = language === "zh" ? "en" : "zh"; if (!shown) tell(""); render(); });
  for (const id of ["minor", "guardian-agree", "agree"]) at(id).addEventListener("change", render);
  at("guardian-name").addEventListener("input", render);
  at("agree-form").addEventListener("submit", (event) => { event.preventDefault(); if (!at("next").disabled) toPhotos(); });
  at("camera").addEventListener("click", startCamera);
  at("take").addEventListener("click", () => { const video = at("preview"); take(video, video.videoWidth, video.videoHeight); });
  at("files").addEventListener("change", async (event) => { await readFiles([...event.target.files]); event.target.value = ""; });
  at("send").addEventListener("click", send);
  at("again").addEventListener("click", async () => {
    try { view = await ask(api); stage = "consent"; problem(null); render(); } catch (error) { failed(error); }
  });
  at("withdraw").addEventListener("click", () => { at("sure").hidden = false; render(); at("sure-no").focus(); });
  at("sure-no").addEventListener("click", () => { at("sure").hidden = true; render(); });
  at("sure-yes").addEventListener("click", withdraw);

  (async () => {
    try {
      words = await ask("/static/enrol-words.json");
      render();
      view = await ask(api);
      stage = view.step === "open" ? "consent" : "state";
      render();
      poll();
    } catch (error) { failed(error); }
  })();
})();
