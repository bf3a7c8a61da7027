"use strict";
(async () => {
  const T = JSON.parse(document.getElementById("texts").textContent);
  const V = JSON.parse(document.getElementById("verification").textContent);
  const bytesOf = (text) => Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, "0")).join("");
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
  const text = (b) => new TextDecoder().decode(b);
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
  const entries = [], sessions = new Map(), leaves = [], people = [], roots = new Map();
  const checks = [];
  let previous = "0".repeat(64), fingerprint = "";
  const hashes = await Promise.all(lines.map((l) => sha256(l)));
  const leafHashes = await Promise.all(lines.map((l) => sha256(join(new Uint8Array([0]), l))));
  const keyAt = (id, role, ts) => people.filter((p) => p.id === id && p.role === role && Date.parse(p.after) <= Date.parse(ts) + 999 && Date.parse(ts) <= Date.parse(p.before)).pop();
  for (let i = 0; i < lines.length; i++) {
    const tab = lines[i].indexOf(9), payload = lines[i].subarray(0, tab);
    let e;
    try {
      const source = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
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
  let peaks = [];
  const fold = async () => { let v = peaks[peaks.length - 1][1]; for (let j = peaks.length - 2; j >= 0; j--) v = new Uint8Array(await sha256(join(new Uint8Array([1]), peaks[j][1], v))); return v; };
  for (let i = 0; i < leaves.length; i++) {
    let height = 0, v = leaves[i];
    while (peaks.length && peaks[peaks.length - 1][0] === height) { v = new Uint8Array(await sha256(join(new Uint8Array([1]), peaks.pop()[1], v))); height++; }
    peaks.push([height, v]);
    if (wanted.has(i + 1)) {
      const root = b64(await fold());
      roots.set(i + 1, root);
      if (root !== wanted.get(i + 1).body.root) ng(wanted.get(i + 1).seq, T.root);
    }
  }
  const root = leaves.length ? hex(await fold()) : "";

  // --- the page --------------------------------------------------------------------------------------------------------
  const verdict = problems.length ? "ng" : undecided || !entries.length ? "unknown" : "ok";
  const box = document.getElementById("verdict");
  box.dataset.verdict = verdict;
  box.textContent = verdict;
  document.getElementById("verdict-box").className = "verdict " + verdict;
  document.getElementById("verdict-words").textContent = T.verdicts[verdict];
  const list = el("ul");
  for (const [seq, words] of problems.slice(0, 200)) list.append(el("li", (seq === null ? "" : T.entry.replace("{}", seq) + ": ") + words));
  if (problems.length) put("problems", list);
  const first = entries[0] || { body: {} };
  put("facts", table([T.fact, T.value], [
    [T.name, first.body.name || ""], [T.caseId, first.body.case_id || ""], [T.fingerprint, el("span", groups(fingerprint), "hash")],
    [T.rootWord, el("span", groups(root), "hash")], [T.count, String(entries.length)],
    [T.span, entries.length ? entries[0].ts + " – " + entries[entries.length - 1].ts : ""],
    [T.protection, T.protections[first.body.key_protection] || ""], [T.policy, Object.entries(first.body.policy || {}).map(([k, v]) => k + "=" + v).join(", ") || "–"],
  ]));
  const made = el("p", T.made.replace("{}", V.time) + " " + T.labels[V.verdict], "soft");
  put("made", made);
  if (V.findings.length) {
    const f = el("ul");
    for (const one of V.findings) f.append(el("li", "[" + T.severities[one.severity] + "] " + (one.entry ? T.entry.replace("{}", one.entry) + ": " : "") + one[T.lang]));
    put("made", f);
  }
  const fingerprintOf = async (line) => "SHA256:" + b64(await sha256(bytesOf(line.split(" ")[1]))).replace(/=+$/, "");
  put("people", table([T.id, T.role, T.person, T.key, T.identified, T.validity], await Promise.all(people.map(async (p) => [
    p.id, p.role, [p.org, p.name].filter(Boolean).join(" "), el("span", await fingerprintOf(p.key), "hash"), p.identified_by || T.notIdentified,
    p.revoked ? T.revoked.replace("{}", p.before) : p.before.startsWith("9999") ? T.valid : T.replaced.replace("{}", p.before),
  ]))));
  const hide = new Set(["run", "auth", "sig", "people", "policy", "secret_check", "verify_sh", "origin", "files"]);
  const words = (body) => Object.entries(body).filter(([k]) => !hide.has(k)).map(([k, v]) => k + ": " + (typeof v === "string" ? v : JSON.stringify(v))).join("\n");
  const pre = (s) => { const d = el("div", s); d.style.whiteSpace = "pre-wrap"; return d; };
  const kind = (e) => { const d = el("div", (T.types[e.type] || e.type)); if (e.src === "typed") d.append(" ", el("span", T.typed, "tag")); if (e.body.late) d.append(" ", el("span", T.late, "tag")); return d; };
  const files = (e) => pre([...(e.in || []).map((f) => T.input + " " + groups(f.sha256) + " (" + f.size + " B)"), ...(e.out || []).map((f) => T.output + " " + groups(f.sha256) + " (" + f.size + " B)")].join("\n"));
  const quiet = new Set(["session.open", "session.close"]);
  put("timeline", table(["#", T.time, T.who, T.what, T.item, T.content, T.hashes], entries.filter((e) => !quiet.has(e.type)).map((e) => [
    String(e.seq), e.ts, e.actor + " (" + e.role + ")", kind(e), e.item || "", pre(words(e.body)), files(e),
  ])));
  const images = entries.filter((e) => ["image.end", "clone.end", "collect.end", "verify.end"].includes(e.type));
  put("images", images.length ? table(["#", T.time, T.what, T.item, T.content, T.hashes], images.map((e) => [String(e.seq), e.ts, kind(e), e.item || "", pre(words(e.body)), files(e)])) : el("p", T.none, "soft"));
  const ended = (e) => !e.type.endsWith(".end") || ["done", "partial"].includes(e.body.status);
  const speaks = (r, e) => r.types.includes(e.type) && ended(e) && (e.type !== "cosigned" || e.body.role === "立会人") && (r.id !== "A1" || "write_protection" in e.body || "protection" in e.body);
  const waivers = new Map(entries.filter((e) => e.type === "record.waiver").map((e) => [e.body.id, e]));
  const copies = Number((first.body.policy || {}).copies || 2);
  put("coverage", table(["ID", T.requirement, T.status, T.grounds], T.requirements.map((r) => {
    const shown = entries.filter((e) => speaks(r, e)), enough = r.id === "A3" ? shown.length >= copies : shown.length > 0, w = waivers.get(r.id);
    const numbers = (l) => l.slice(0, 12).map((e) => T.entry.replace("{}", e.seq)).join("、");
    const typed = shown.length && shown.every((e) => e.src === "typed") ? " " + T.typed : "";
    if (enough) return [r.id, r.name, T.done + typed, numbers(shown)];
    if (w) return [r.id, r.name, w.body.status === "not_applicable" ? T.notApplicable : T.notDone, w.body.reason + " (" + numbers([w]) + ")"];
    return [r.id, r.name, T.open, ""];
  })));
  const items = [...new Set(entries.map((e) => e.item).filter(Boolean))];
  for (const item of items) {
    const sheet = el("section", undefined, "sheet");
    sheet.append(el("h3", T.sheet.replace("{}", item)));
    sheet.append(table(["#", T.time, T.who, T.what, T.content, T.hashes], entries.filter((e) => e.item === item).map((e) => [String(e.seq), e.ts, e.actor, kind(e), pre(words(e.body)), files(e)])));
    put("sheets", sheet);
  }
  if (!items.length) put("sheets", el("p", T.none, "soft"));
  document.documentElement.dataset.ready = "yes";
})().catch((error) => {
  const box = document.getElementById("verdict");
  box.dataset.verdict = "unknown";
  box.textContent = "unknown";
  document.getElementById("verdict-words").textContent = String(error);
  document.documentElement.dataset.ready = "failed";
});
