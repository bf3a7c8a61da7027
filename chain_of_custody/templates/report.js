"use strict";
(async () => {
  const T = JSON.parse(document.getElementById("texts").textContent);
  const V = JSON.parse(document.getElementById("verification").textContent);
  const bytesOf = (text) => { const s = atob(text.trim()), o = new Uint8Array(s.length); for (let i = 0; i < s.length; i++) o[i] = s.charCodeAt(i); return o; };
  const HEX = Array.from({ length: 256 }, (_, x) => x.toString(16).padStart(2, "0"));
  const hex = (b) => { let s = ""; for (const x of new Uint8Array(b)) s += HEX[x]; return s; };
  const b64 = (b) => btoa(String.fromCharCode(...new Uint8Array(b)));
  const sha256 = (b) => crypto.subtle.digest("SHA-256", b);
  const join = (...parts) => {
    const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) { out.set(p, at); at += p.length; }
    return out;
  };
  const utf8 = new TextEncoder();
  const problems = [];
  let undecided = false;
  const ng = (seq, text) => problems.push([seq, text]);
  // RFC 8785: the canonical form is defined by JavaScript's own serialisation with sorted keys.
  const canonical = (v) =>
    v === null || typeof v !== "object" ? JSON.stringify(v)
      : Array.isArray(v) ? "[" + v.map(canonical).join(",") + "]"
        : "{" + Object.keys(v).sort().map((k) => JSON.stringify(k) + ":" + canonical(v[k])).join(",") + "}";
  const el = (tag, text, cls) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };
  const groups = (h) => h.replace(/(.{8})(?=.)/g, "$1 ");
  const table = (heads, rows) => {
    const t = el("table"), tr = el("tr");
    for (const h of heads) tr.append(el("th", h));
    const head = el("thead"); head.append(tr); t.append(head);
    const body = el("tbody");
    for (const row of rows) {
      const r = el("tr");
      for (const c of row) { const d = el("td"); if (c instanceof Node) d.append(c); else d.textContent = c; r.append(d); }
      body.append(r);
    }
    t.append(body);
    const box = el("div", undefined, "wide"); box.append(t);
    return box;
  };
  const put = (id, ...nodes) => document.getElementById(id).append(...nodes);

  // --- SSH signatures ------------------------------------------------------------------------------------------------
  const reader = (b) => {
    let at = 0;
    return {
      take(n) { if (at + n > b.length) throw new Error("short"); at += n; return b.subarray(at - n, at); },
      string() { const n = this.take(4); return this.take(((n[0] << 24) | (n[1] << 16) | (n[2] << 8) | n[3]) >>> 0); },
      end() { if (at !== b.length) throw new Error("long"); },
    };
  };
  const str = (b) => { const n = b.length; return join(new Uint8Array([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]), b); };
  const plain = new TextDecoder(), text = (b) => plain.decode(b);
  const url64 = (b) => b64(b).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  const strip = (b) => { let i = 0; while (i < b.length - 1 && b[i] === 0) i++; return b.subarray(i); };
  const pad = (b, n) => { const s = strip(b), o = new Uint8Array(n); o.set(s, n - s.length); return o; };
  const sshVerify = async (armor, message, namespace, line) => {
    const BEGIN = "-----BEGIN SSH SIGNATURE-----\n", END = "\n-----END SSH SIGNATURE-----\n";
    if (!armor.startsWith(BEGIN) || !armor.endsWith(END)) return false;
    const encoded = armor.slice(BEGIN.length, -END.length);
    const blob = bytesOf(encoded.replace(/\n/g, ""));
    if (b64(blob).replace(/(.{70})(?=.)/g, "$1\n") !== encoded) return false;
    const r = reader(blob);
    if (text(r.take(6)) !== "SSHSIG") return false;
    r.take(4);
    const key = r.string(), space = r.string(), reserved = r.string(), hash = text(r.string()), signature = r.string();
    r.end();
    if (b64(key) !== line.split(" ")[1] || text(space) !== namespace || reserved.length) return false;
    const digest = await crypto.subtle.digest(hash === "sha512" ? "SHA-512" : "SHA-256", message);
    const data = join(utf8.encode("SSHSIG"), str(utf8.encode(namespace)), str(new Uint8Array(0)), str(utf8.encode(hash)), str(new Uint8Array(digest)));
    const s = reader(signature), algorithm = text(s.string()), value = s.string();
    s.end();
    const k = reader(key), kind = text(k.string());
    if (kind === "ssh-ed25519" && algorithm === kind) {
      const imported = await crypto.subtle.importKey("raw", k.string(), "Ed25519", false, ["verify"]);
      return crypto.subtle.verify("Ed25519", imported, value, data);
    }
    if (kind === "ssh-rsa" && algorithm.startsWith("rsa-sha2-")) {
      const e = strip(k.string()), n = strip(k.string());
      const name = { name: "RSASSA-PKCS1-v1_5", hash: algorithm === "rsa-sha2-512" ? "SHA-512" : "SHA-256" };
      const imported = await crypto.subtle.importKey("jwk", { kty: "RSA", e: url64(e), n: url64(n) }, name, false, ["verify"]);
      return crypto.subtle.verify(name, imported, value, data);
    }
    const curve = { "ecdsa-sha2-nistp256": ["P-256", 32, "SHA-256"], "ecdsa-sha2-nistp384": ["P-384", 48, "SHA-384"], "ecdsa-sha2-nistp521": ["P-521", 66, "SHA-512"] }[kind];
    if (!curve || algorithm !== kind) { undecided = true; return false; }
    k.string();
    const imported = await crypto.subtle.importKey("raw", k.string(), { name: "ECDSA", namedCurve: curve[0] }, false, ["verify"]);
    const p = reader(value), rs = join(pad(p.string(), curve[1]), pad(p.string(), curve[1]));
    return crypto.subtle.verify({ name: "ECDSA", hash: curve[2] }, imported, rs, data);
  };

  // --- the ledger ----------------------------------------------------------------------------------------------------
  const ledger = bytesOf(document.getElementById("ledger").textContent);
  const lines = [];
  for (let start = 0; start < ledger.length;) {
    let end = ledger.indexOf(10, start);
    if (end < 0) { ng(null, T.torn); break; }
    lines.push(ledger.subarray(start, end));
    start = end + 1;
  }
  const entries = [], sessions = new Map(), leaves = [], people = [];
  const checks = [];
  let previous = "0".repeat(64), fingerprint = "";
  const hashes = await Promise.all(lines.map((l) => sha256(l)));
  const leafHashes = await Promise.all(lines.map((l) => sha256(join(new Uint8Array([0]), l))));
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const keyAt = (id, role, ts) => people.filter((p) => p.id === id && p.role === role && Date.parse(p.after) <= Date.parse(ts) + 999 && Date.parse(ts) <= Date.parse(p.before)).pop();
  for (let i = 0; i < lines.length; i++) {
    const tab = lines[i].indexOf(9), payload = lines[i].subarray(0, tab);
    let e;
    try {
      const source = strict.decode(payload);
      e = JSON.parse(source);
      if (tab < 0 || canonical(e) !== source) throw new Error("form");
    } catch { ng(i + 1, T.form); previous = hex(hashes[i]); continue; }
    entries.push(e);
    leaves.push(new Uint8Array(leafHashes[i]));
    if (e.seq !== i + 1) ng(e.seq, T.sequence);
    if (e.prev !== previous) ng(e.seq, T.chain);
    previous = hex(hashes[i]);
    if (i === 0) {
      fingerprint = previous;
      for (const p of e.body.people || []) people.push({ ...p, after: "1970-01-01T00:00:00Z", before: "9999-12-31T00:00:00Z" });
    }
    if ((i === 0) === (e.type !== "case.open")) ng(e.seq, T.form);
    if (e.type === "case.open" || e.type === "session.open") {
      const a = e.body.auth, who = keyAt(e.actor, e.role, e.ts);
      const fits = a && a.actor === e.actor && a.role === e.role && a.session === e.session && a.case === (i === 0 ? "" : fingerprint) && !sessions.has(e.session);
      if (!fits || !who) ng(e.seq, T.auth);
      else {
        checks.push(sshVerify(e.body.sig, utf8.encode(canonical(a)), "custody-session", who.key).then((good) => good || ng(e.seq, T.auth), () => ng(e.seq, T.auth)));
        const key = await crypto.subtle.importKey("raw", bytesOf(a.key), "Ed25519", false, ["verify"]);
        sessions.set(e.session, { key, actor: e.actor, role: e.role, until: a.not_after, closed: false });
      }
    }
    const s = sessions.get(e.session);
    if (!s) ng(e.seq, T.session);
    else {
      if (s.actor !== e.actor || s.role !== e.role || s.closed || Date.parse(e.ts) > Date.parse(s.until)) ng(e.seq, T.session);
      if (e.type === "session.close") s.closed = true;
      let signature;
      try { signature = bytesOf(text(lines[i].subarray(tab + 1))); } catch { signature = new Uint8Array(0); }
      checks.push(crypto.subtle.verify("Ed25519", s.key, signature, payload).then((good) => good || ng(e.seq, T.signature)));
    }
    if (e.type === "key.add") people.push({ ...e.body.person, after: e.ts, before: "9999-12-31T00:00:00Z" });
    if (e.type === "key.rotate") {
      const old = people.filter((p) => p.id === e.body.id && p.key === e.body.old).pop();
      if (old) { old.before = e.ts; people.push({ ...old, key: e.body.new, after: e.ts, before: "9999-12-31T00:00:00Z" }); }
    }
    if (e.type === "key.revoke") {
      const old = people.filter((p) => p.id === e.body.id && p.key === e.body.key).pop();
      if (old) { old.before = e.body.since; old.revoked = e.seq; }
    }
  }
  await Promise.all(checks);

  // --- Merkle roots of RFC 6962 at every size that was signed ----------------------------------------------------------
  const wanted = new Map(entries.filter((e) => e.type === "checkpoint").map((e) => [Number(e.body.size), e]));
  const inner = async (one, two) => new Uint8Array(await sha256(join(new Uint8Array([1]), one, two)));
  // Level by level, each at once: node i of level h covers the leaves from i << h on, and only full nodes are made.
  const levels = [leaves];
  while (levels[levels.length - 1].length > 1) {
    const below = levels[levels.length - 1];
    levels.push(await Promise.all(Array.from({ length: below.length >> 1 }, (_, i) => inner(below[2 * i], below[2 * i + 1]))));
  }
  const rootAt = async (size) => {
    let v = null, at = size;
    for (let h = 0; at > 0; h++, at >>= 1) if (at & 1) v = v ? await inner(levels[h][at - 1], v) : levels[h][at - 1];
    return v;
  };
  for (const [size, e] of wanted) {
    if (!(size > 0 && size <= leaves.length) || b64(await rootAt(size)) !== e.body.root) ng(e.seq, T.root);
  }
  const root = leaves.length ? hex(await rootAt(leaves.length)) : "";

  document.documentElement.dataset.verified = String(Math.round(performance.now()));
  // --- the page --------------------------------------------------------------------------------------------------------
  const verdict = problems.length ? "ng" : undecided || !entries.length ? "unknown" : "ok";
  const box = document.getElementById("verdict");
  box.dataset.verdict = verdict;
  box.textContent = T.labels[verdict] || verdict;
  document.getElementById("verdict-box").className = "verdict " + verdict;
  document.getElementById("verdict-words").textContent = T.verdicts[verdict];
  const list = el("ul");
  for (const [seq, words] of problems.slice(0, 200)) list.append(el("li", (seq === null ? "" : T.entry.replace("{}", seq) + ": ") + words));
  if (problems.length) put("problems", list);
  const first = entries[0] || { body: {} };
  const S = T.statements;
  const own = (o, k) => (Object.prototype.hasOwnProperty.call(o, k) ? o[k] : undefined);
  // Characters that cannot be seen, or that turn a line around, are named.
  const COMMON = /^[\x20-\x7e\n\u3001-\u303f\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fa5\uff01-\uff5e]*$/;
  const visible = (s) => COMMON.test(s) ? s : s.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu, (c) =>
    c === "\n" ? c : c === "\t" ? " " : "‹U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "›");
  // Possible My Numbers: twelve digits with the right check digit.
  const SEP = "[\\s\\-‐-―−ー－ｰ_.．・,，]?", D = "[0-9０-９]";
  const NUMBER = new RegExp(`(?=((?<!${D})${D}(?:${SEP}${D}){11}(?!${D})))`, "gu");
  const WEIGHTS = [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
  const mask = (s) => {
    if ((s.match(/[0-9０-９]/g) || []).length < 12) return s;
    let shown = null;
    for (const m of s.matchAll(NUMBER)) {
      const places = [];
      for (let i = m.index; i < m.index + m[1].length; i++) if (/[0-9０-９]/.test(s[i])) places.push(i);
      const digits = places.map((i) => s.charCodeAt(i) - (s[i] > "\x7f" ? 0xff10 : 48));
      const rest = WEIGHTS.reduce((n, w, i) => n + w * digits[i], 0) % 11;
      if (digits[11] !== (rest <= 1 ? 0 : 11 - rest)) continue;
      shown = shown || s.split("");
      for (const i of places.slice(0, 8)) shown[i] = s[i] > "\x7f" ? "＊" : "*";
    }
    return shown ? shown.join("") : s;
  };
  const moment = (ts) => { const m = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d{6})([+-]\d\d:\d\d)$/.exec(ts); return m ? m[1] + " " + m[2] + (m[3] === "000000" ? "" : "." + m[3]) + " " + m[4] : visible(ts); };
  const minute = (ts) => (ts.length >= 25 ? ts.slice(0, 10) + " " + ts.slice(11, 19) + " " + ts.slice(-6) : ts);
  const keyNames = new Map();
  const KEY = /^(ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/]+=*$/;
  const fingerprintOf = async (line) => "SHA256:" + b64(await sha256(bytesOf(line.split(" ")[1]))).replace(/=+$/, "");
  const keysIn = (v) => typeof v === "string" ? (KEY.test(v) ? [v] : []) : v && typeof v === "object" ? Object.values(v).flatMap(keysIn) : [];
  for (const e of entries) if (e.type.startsWith("key.") || e.type === "case.open") for (const k of keysIn(e.body)) keyNames.set(k, await fingerprintOf(k));
  const free = (s) => /^[0-9a-f]{32,128}$/.test(s) ? groups(s) : KEY.test(s) && keyNames.has(s) ? keyNames.get(s) : moment(s) !== visible(s) ? moment(s) : visible(mask(s));
  const label = (k) => own(S.labels, k) ?? visible(k);
  const value = (name, v) => {
    if (v === null || v === undefined) return "";
    if (typeof v === "boolean") return v ? S.words.yes : S.words.no;
    if (typeof v === "string") return own(own(S.values, name) || {}, v) ?? free(v);
    if (Array.isArray(v)) {
      const shown = v.slice(0, S.longestList).map((one) => value(name, one)).filter(Boolean).join(S.words.join);
      return v.length > S.longestList ? shown + S.words.more.replace("{}", v.length - S.longestList) : shown;
    }
    if (typeof v === "object") {
      const keys = Object.keys(v);
      if (keys.length === 2 && "ja" in v && "en" in v) return free(String(v[T.lang]));
      return keys.map((k) => [label(k), value(k, v[k])]).filter((pair) => pair[1]).map((pair) => pair.join(": ")).join("; ");
    }
    return String(v);
  };
  const hidden = new Set(S.hidden);
  const stated = (type, body) => {
    const out = [], fields = own(S.fields, type) || [], known = new Set();
    for (const [name, shown, choices, isCode] of fields) {
      known.add(name);
      const v = own(body, name);
      if (v !== undefined && v !== null) out.push([shown, own(choices, v) ?? (isCode ? visible(String(v)) : value("", v))]);
    }
    for (const [k, v] of Object.entries(body)) {
      if (known.has(k) || hidden.has(k)) continue;
      const shown = value(k, v);
      if (shown) out.push([own(own(S.labelsOfType, type) || {}, k) ?? label(k), shown]);
    }
    return out;
  };
  const words = (e) => stated(e.type, e.body).map((pair) => pair.join(": ")).join("\n");
  const roleName = (r) => own(T.roles, r) ?? r;
  const pre = (s, cls) => el("div", s, cls ? "pre " + cls : "pre");
  const kind = (e) => { const d = el("div", T.types[e.type] || e.type); if (e.src === "typed") d.append(" ", el("span", T.typed, "tag")); if (e.body.late) d.append(" ", el("span", T.late, "tag")); return d; };
  const files = (e) => pre([...(e.in || []).map((f) => T.input + " " + groups(f.sha256) + " (" + f.size + " B)"), ...(e.out || []).map((f) => T.output + " " + groups(f.sha256) + " (" + f.size + " B)")].join("\n"), "hash");
  const record = (e) => { const d = el("div"); d.append(pre(words(e))); if (e.in || e.out) d.append(files(e)); return d; };
  const who = (e) => { const d = el("div", visible(e.actor)); d.append(el("div", roleName(e.role), "soft")); return d; };
  const itemOf = (e) => free(e.item || "");
  const nothing = () => el("p", T.none, "soft");
  const list_ = (es) => table(["#", T.time, T.who, T.what, T.item, T.content], es.map((e) => [String(e.seq), minute(e.ts), who(e), kind(e), itemOf(e), record(e)]));
  const or = (rows, made) => (rows.length ? made(rows) : nothing());
  const ref = (seq) => T.entry.replace("{}", seq);
  put("facts", table([T.fact, T.value], [
    [T.name, free(first.body.name || "")], [T.caseId, visible(first.body.case_id || "")], [T.origin, visible(first.body.origin || "")],
    [T.fingerprint, el("span", groups(fingerprint), "hash")],
    [T.rootWord, el("span", groups(root), "hash")], [T.count, String(entries.length)],
    [T.span, entries.length ? minute(entries[0].ts) + " – " + minute(entries[entries.length - 1].ts) : ""],
    [T.protection, T.protections[first.body.key_protection] || ""], [T.policy, visible(Object.entries(first.body.policy || {}).map(([k, v]) => k + "=" + v).join(", ")) || "–"],
  ]));
  put("made", el("p", T.made.replace("{}", minute(V.time)) + " " + T.labels[V.verdict], "soft"));
  if (V.findings.length) {
    const f = el("ul");
    for (const one of V.findings) f.append(el("li", "[" + T.severities[one.severity] + "] " + (one.entry ? ref(one.entry) + ": " : "") + free(one[T.lang])));
    put("made", f);
  }
  // What the incident was, and its moments in the order of their times: the newest first sign and first report count.
  const classified = entries.filter((e) => e.type === "record.classify").pop();
  put("incident", classified ? table([T.fact, T.value], [...stated(classified.type, classified.body), [T.recordedIn, ref(classified.seq)]]) : el("p", T.unclassified, "soft"));
  const instant = (ts) => { const m = /^(.{19})\.(\d{6})(.{6})$/.exec(ts); const ms = m ? Date.parse(m[1] + m[3]) : NaN; return Number.isNaN(ms) ? null : BigInt(ms) * 1000n + BigInt(m[2]); };
  const SIGN = "record.first_sign", REPORT = "record.first_report", STEPS = ["record.isolate", "record.network"];
  const course = entries.filter((e) => [SIGN, REPORT, ...STEPS].includes(e.type) && instant(String(e.body.at ?? "")) !== null).map((e) => ({ e, at: instant(e.body.at) }));
  const counts = (type) => course.filter((m) => m.e.type === type).pop();
  const sign = counts(SIGN), reported = counts(REPORT);
  course.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.e.seq - b.e.seq));
  const span = (us) => {
    const whole = Number((us < 0n ? -us : us) / 1000000n), u = T.lang === "ja" ? ["日", "時間", "分", "秒"] : ["d", "h", "min", "s"];
    const parts = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60].map((n, i) => [n, u[i]]);
    while (parts.length > 1 && !parts[0][0]) parts.shift();
    return (us < 0n && whole ? "−" : "") + parts.map((p) => p.join(" ")).join(" ");
  };
  let step = null;
  const courseRows = course.map((m) => {
    const isStep = STEPS.includes(m.e.type), old = (m.e.type === SIGN && m !== sign) || (m.e.type === REPORT && m !== reported);
    const rest = Object.fromEntries(Object.entries(m.e.body).filter(([k]) => k !== "at"));
    const row = [
      String(m.e.seq), moment(m.e.body.at), (T.types[m.e.type] || m.e.type) + (old ? " (" + T.superseded + ")" : ""), stated(m.e.type, rest).map((p) => p.join(": ")).join("; "),
      sign && m.e.type !== SIGN ? span(m.at - sign.at) : "", reported && isStep ? span(m.at - reported.at) : "", step !== null && isStep ? span(m.at - step) : "",
    ];
    if (isStep) step = m.at;
    return row;
  });
  put("incident", courseRows.length ? el("div") : el("p", T.noCourse, "soft"));
  if (courseRows.length) document.getElementById("incident").lastChild.append(table(T.courseHeads, courseRows));
  put("people", table([T.id, T.role, T.person, T.key, T.identified, T.validity], await Promise.all(people.map(async (p) => [
    visible(p.id), roleName(p.role), free([p.org, p.name].filter(Boolean).join(" ")), el("span", await fingerprintOf(p.key), "hash"), free(p.identified_by || "") || T.notIdentified,
    p.revoked ? T.revoked.replace("{}", minute(p.before)) : p.before.startsWith("9999") ? T.valid : T.replaced.replace("{}", minute(p.before)),
  ]))));
  const quiet = new Set(["session.open", "session.close"]);
  const begins = new Map(entries.filter((e) => e.type.endsWith(".begin")).map((e) => [e.seq, e]));
  const images = entries.filter((e) => ["image.end", "clone.end", "collect.end", "verify.end"].includes(e.type));
  put("images", or(images, (es) => table(["#", T.time, T.what, T.item, T.content], es.map((e) => {
    const about = (begins.get(e.body.begin) || { body: {} }).body;
    const protection = e.body.write_protection || about.protection || (about.auto && typeof about.auto === "object" && about.auto.protection);
    const d = el("div"), some = {};
    for (const k of ["result", "verdict", "status", "unreadable"]) if (k in e.body) some[k] = e.body[k];
    const name = ["source", "image", "path"].map((k) => about[k] ? value("", about[k]) : "").find(Boolean);
    d.append(pre([name, protection ? T.protectionWord + ": " + value("protection", protection) : "", ...stated(e.type, some).map((pair) => pair.join(": "))].filter(Boolean).join("\n")));
    if (e.body.hashes && typeof e.body.hashes === "object") d.append(pre(Object.entries(e.body.hashes).map(([k, v]) => k.toUpperCase() + " " + groups(String(v))).join("\n"), "hash"));
    d.append(files(e));
    return [String(e.seq), minute(e.ts), kind(e), itemOf(e), d];
  }))));
  const points = new Map();
  for (const e of entries) {
    const size = String(e.body.size ?? "");
    if (e.type === "checkpoint") points.set(size, { root: e.body.root, seq: e.seq, signers: [], stamps: [] });
    else if (e.type === "cosigned" && points.has(size)) points.get(size).signers.push(visible(e.body.who + " (" + roleName(e.body.role || "") + ")"));
    else if (e.type === "stamp" && points.has(size)) points.get(size).stamps.push(visible((minute(e.body.gen_time) + " " + (e.body.authority || "")).trim()));
  }
  put("checkpoints", or([...points], (ps) => table([T.count, T.rootShort, T.signers, T.stamps, "#"], ps.map(([size, p]) => [size, el("span", p.root, "hash"), p.signers.join(", ") || T.none, p.stamps.join(", ") || T.none, String(p.seq)]))));
  const wrong = new Set(["record.anomaly", "refused", "ledger.recovered", "clock.changed", "transfer.refuse", "key.revoke"]);
  // A refusal that was taken to another person for approval is the ordinary way of two persons.
  const askedFor = new Set(entries.filter((e) => e.type === "approval.request").map((e) => e.body.refused));
  put("anomalies", or(entries.filter((e) => !(e.type === "refused" && askedFor.has(e.seq)) && (wrong.has(e.type) || (e.type === "record.unseal" && e.body.intact === "no") || (e.type === "verify.end" && e.body.verdict === "mismatch") || (e.type.endsWith(".end") && e.body.status !== "done"))), list_));
  // An item that left storage and is not mentioned again for a day.
  const outSince = new Map(), gaps = [], explained = [];
  for (const e of entries) {
    if (e.type === "record.custody" && e.body.since && e.body.until) explained.push([Date.parse(e.body.since), Date.parse(e.body.until), e]);
    if (!e.item) continue;
    const out = outSince.get(e.item);
    outSince.delete(e.item);
    if (out && Date.parse(e.ts) - Date.parse(out.ts) > 86400000) gaps.push([out, Date.parse(e.ts)]);
    if (e.type === "record.storage" && e.body.direction === "out") outSince.set(e.item, e);
  }
  put("gaps", or(gaps, (gs) => table([T.item, T.outOf, T.length, T.explained], gs.map(([out, until]) => {
    const why = explained.find(([a, b]) => a <= Date.parse(out.ts) && b >= until);
    return [itemOf(out), ref(out.seq), T.hours.replace("{}", Math.floor((until - Date.parse(out.ts)) / 3600000)), why ? free(why[2].body.explanation || "") + " (" + ref(why[2].seq) + ")" : T.unexplained];
  }))));
  put("late", or(entries.filter((e) => e.body.late), (es) => table(["#", T.happened, T.recorded, T.what, T.item], es.map((e) => [String(e.seq), moment(String(e.body.at || "")), minute(e.ts), T.types[e.type] || e.type, itemOf(e)]))));
  const obj = (v) => (v && typeof v === "object" && !Array.isArray(v) ? v : {});
  const ended = (e) => !e.type.endsWith(".end") || ["done", "partial"].includes(e.body.status);
  const tests = {
    P2: (e) => e.body.status === "done",
    P4: (e) => e.body.is_blank === true,
    A1: (e) => ![undefined, null, "", "none"].includes(obj(e.body.auto).protection) && e.body.auto === obj(e.body.auto) || Boolean(obj(e.body.typed).blocker),
    A4: (e) => e.body.verdict === "match",
  };
  const speaks = (r, e) => r.types.includes(e.type) && ended(e) && (e.type !== "cosigned" || e.body.role === "立会人") && (own(tests, r.id) || (() => true))(e);
  // Verified copies of each content, by the hash of what was read.
  const contents = new Map(), begun = new Map();
  const strongest = (h) => { for (const k of ["sha256", "sha512", "sha3_256", "blake3", "sha1", "md5"]) if (own(h, k)) return k + ":" + h[k]; return ""; };
  const isImage = (name, place) => { const t = place.split(place.includes("\\") ? /[\\/]/ : "/").filter(Boolean).pop() || "", dot = name.lastIndexOf("."); return name === t || (dot < 0 ? "" : name.slice(0, dot)) === t; };
  for (const e of entries) {
    const m = /^(image|export|clone)\.(begin|end)$/.exec(e.type);
    if (m && m[2] === "begin") begun.set(e.seq, e);
    else if (m) {
      const begin = begun.get(e.body.begin), content = strongest(obj(e.body.hashes));
      begun.delete(e.body.begin);
      if (!begin || !content || !["done", "partial"].includes(e.body.status)) continue;
      const device = obj(obj(begin.body.auto).device), isClone = m[1] === "clone";
      const places = isClone ? [[device.serial, device.path].filter(Boolean).join(" ") || String(e.seq)] : Array.isArray(begin.body.targets) ? begin.body.targets.map(String) : [];
      if (!contents.has(content)) contents.set(content, new Map());
      for (const place of places) contents.get(content).set(place, { seq: e.seq, good: (isClone || obj(begin.body.settings).verify === true) && e.body.is_equal === true });
    } else if (e.type === "verify.end") {
      const found = Object.entries(obj(e.body.hashes)).map(([k, v]) => k + ":" + v);
      for (const [content, kept] of contents) for (const [place, copy] of kept) if (isImage(String(e.body.image ?? ""), place)) {
        if (e.body.verdict === "mismatch") copy.good = false;
        else if (e.body.verdict === "match" && found.includes(content)) copy.good = true;
      }
    }
  }
  const verified = [...contents.values()].map((kept) => [...kept.values()].filter((copy) => copy.good));
  const waivers = new Map(entries.filter((e) => e.type === "record.waiver").map((e) => [e.body.id, e]));
  const copies = /^[0-9]+$/.test(String((first.body.policy || {}).copies ?? "2")) ? Number((first.body.policy || {}).copies ?? 2) : 2;
  put("coverage", table(["ID", T.requirement, T.status, T.grounds], T.requirements.map((r) => {
    const shown = entries.filter((e) => speaks(r, e)), w = waivers.get(r.id);
    const enough = r.id === "A3" ? verified.length > 0 && verified.every((one) => one.length >= copies) : shown.length > 0;
    const seqs = r.id === "A3" ? [...new Set(verified.flat().map((copy) => copy.seq))].sort((x, y) => x - y) : shown.map((e) => e.seq);
    const numbers = (l) => l.slice(0, 12).map(ref).join(S.words.join);
    const typed = shown.length && shown.every((e) => e.src === "typed") ? " " + T.typed : "";
    if (enough) return [r.id, r.name, T.done + typed, numbers(seqs)];
    if (w) return [r.id, r.name, w.body.status === "not_applicable" ? T.notApplicable : T.notDone, free(w.body.reason || "") + " (" + numbers([w.seq]) + ")"];
    return [r.id, r.name, T.open, ""];
  })));
  put("timeline", list_(entries.filter((e) => !quiet.has(e.type))));
  // 証拠説明書: each hash is looked up in the other entries of this ledger.
  const listed = entries.filter((e) => e.type === "record.exhibit");
  if (listed.length) {
    const statedIn = new Map();
    const digests = (v) => typeof v === "string" ? (/^[0-9a-f]{64}$/.test(v) ? [v] : []) : v && typeof v === "object" ? Object.values(v).flatMap(digests) : [];
    for (const e of entries) if (e.type !== "record.exhibit") for (const d of new Set([...(e.in || []), ...(e.out || [])].map((f) => f.sha256).concat(digests(e.body)))) statedIn.set(d, [...(statedIn.get(d) || []), e.seq]);
    put("exhibits", table(T.exhibitHeads, listed.map((e) => {
      const f = (k) => (["title", "author", "purpose"].includes(k) ? free : visible)(String(e.body[k] || "").split(/\s+/).filter(Boolean).join(" ")), digest = f("sha256") || ((e.out || []).length === 1 ? e.out[0].sha256 : "");
      const found = statedIn.get(digest) || [];
      return [f("number"), f("title"), f("original"), f("date"), f("author"), f("purpose"), f("page") || f("source"), itemOf(e), f("offset"), el("span", groups(digest), "hash"), !digest ? T.exhibitStates.no_hash : found.length ? T.exhibitStates.found + " (" + found.slice(0, 4).map(ref).join(S.words.join) + ")" : T.exhibitStates.absent, String(e.seq)];
    })));
  } else put("exhibits", nothing());
  const items = [...new Set(entries.map((e) => e.item).filter(Boolean))];
  for (const item of items) {
    const sheet = el("section", undefined, "sheet");
    sheet.append(el("h3", T.sheet.replace("{}", free(item))));
    const box = el("details"), mine = entries.filter((e) => e.item === item);
    box.append(el("summary", T.sheetEntries.replace("{}", mine.length)));
    const fill = () => { if (box.childElementCount === 1) box.append(list_(mine)); };
    // Built when it is opened or printed: the timeline holds the same entries.
    box.addEventListener("toggle", fill);
    addEventListener("beforeprint", () => { fill(); box.open = true; });
    if (mine.length <= 60) { fill(); box.open = true; }
    sheet.append(box);
    put("sheets", sheet);
  }
  if (!items.length) put("sheets", nothing());
  document.documentElement.dataset.milliseconds = String(Math.round(performance.now()));
  document.documentElement.dataset.ready = "yes";
})().catch((error) => {
  const box = document.getElementById("verdict");
  box.dataset.verdict = "unknown";
  box.textContent = "unknown";
  document.getElementById("verdict-words").textContent = String(error);
  document.documentElement.dataset.ready = "failed";
});
