"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const WORDS = {
    ja: {
      skip: "一覧へ", filters: "絞り込み", all: "全期間", time: "時刻", kind: "種別", what: "内容", where: "資料", search: "記録のどこかにある語を探す",
      keys: "/ 検索 · j k 移動 · Enter 詳細 · m しるし · + − 0 拡大縮小 · ? 操作", events: (n) => `${n} 件`, facet_kind: "種別", facet_source: "資料", facet_host: "機器", facet_state: "状態",
      clear: "解除", more: (n) => `あと ${n} 件を表示`, less: "少なく表示", find: "この中を探す", linear: "目盛: 等間隔", log: "目盛: 対数",
      outside: (n) => `表示期間の外に ${n} 件あります(時計の誤り・初期値かもしれません)。`, show_all: "全期間を表示", empty: "条件に合う事象はありません。", reset: "条件をすべて解除",
      marks: "しるし", incident: "兆候・報告・隔離", no_time: (n) => `ほかに時刻を読めない記録が ${n} 件あります`, unknown: "時間帯不明", live: "現存", deleted: "削除済み", carved: "断片から復元", snapshot: "シャドウコピー",
      original: "原本表記", utc: "解釈した UTC", local: "表示の時刻", precision: "記録の細かさ", zone: "時間帯", clock: "時計", corrected: "補正後の範囲", order: "資料内の順", which: "時刻の意味",
      about: "記録", record: "記録番号", actor: "行為者", host: "機器", path: "対象", bytes: "バイト数", state: "状態", parser: "読み手", id: "事象の番号", layers: "所在(層)", data: "そのほかの項目", raw: "記録をそのまま表示",
      basis: { format: "形式が定める", declared: "調査者の申告", registry: "機器の設定", none: "分からない" }, host_clock: "機器の時計", note: "メモ", note_hint: "台帳に署名付きで記録します。取消しも記録に残ります。", save: "しるしとメモを記録",
      save_again: "メモを更新", unmark: "しるしを外す", notes_off: "事案の外の時系列のため、しるしとメモは使えません。", copy: "番号を写す", close: "閉じる", around: "前後を見る", saved: "台帳に記録しました", failed: "できませんでした",
      unknown_zone_warn: "この記録は時間帯を持たず、誰も申告していません。時刻は書かれたとおりに(UTC と同じ位置に)置いています。", help: "操作", searching: "検索中", at_least: (n) => `${n} 件以上`, lost: "接続が切れました。timeline view を起動し直してください。", damaged: "壊れていて含まれない部分: ",
      keys_list: [["/", "検索"], ["j k ↓ ↑", "次・前の事象"], ["PgDn PgUp Home End", "大きく移動"], ["Enter", "詳細"], ["m", "しるしを付ける・外す"], ["n", "メモを書く"], ["+ − / 0", "拡大・縮小・全期間"], ["← →", "期間をずらす(図の上で)"], ["z", "前の範囲に戻る"], ["Esc", "閉じる"]],
      chart: (n, a, b) => `${a} から ${b} までの ${n} 件の密度`, first: "最初", theme: { auto: "表示: 自動", dark: "暗", light: "明" },
    },
    en: {
      skip: "to the list", filters: "Filters", all: "whole span", time: "Time", kind: "Kind", what: "What", where: "Source", search: "Text anywhere in the record",
      keys: "/ search · j k move · Enter detail · m mark · + − 0 zoom · ? keys", events: (n) => `${n} events`, facet_kind: "KIND", facet_source: "SOURCE", facet_host: "HOST", facet_state: "STATE",
      clear: "clear", more: (n) => `show ${n} more`, less: "show fewer", find: "find here", linear: "scale: linear", log: "scale: log",
      outside: (n) => `${n} events lie outside the span shown (wrong clocks or defaults, perhaps).`, show_all: "show the whole span", empty: "No event fits.", reset: "clear all filters",
      marks: "MARKS", incident: "SIGNS, REPORTS, ISOLATION", no_time: (n) => `${n} more records have no readable time`, unknown: "zone unknown", live: "live", deleted: "deleted", carved: "carved", snapshot: "shadow copy",
      original: "As recorded", utc: "Read as UTC", local: "As shown", precision: "Resolution", zone: "Zone", clock: "Clock", corrected: "Corrected", order: "Order in source", which: "Which time",
      about: "RECORD", record: "Record", actor: "Actor", host: "Host", path: "Object", bytes: "Bytes", state: "State", parser: "Reader", id: "Event", layers: "WHERE IT LIES", data: "OTHER FIELDS", raw: "the record as it is",
      basis: { format: "the format says", declared: "declared by the examiner", registry: "the machine's setting", none: "nobody knows" }, host_clock: "the machine's clock", note: "NOTE", note_hint: "Goes into the ledger, signed. Taking it back is recorded, too.", save: "Record mark and note",
      save_again: "Update the note", unmark: "Remove the mark", notes_off: "This timeline lies outside a case: marks and notes are off.", copy: "Copy id", close: "Close", around: "Look around", saved: "recorded in the ledger", failed: "failed",
      unknown_zone_warn: "This record has no zone and nobody declared one. Its time stands as it is written (where UTC would be).", help: "Keys", searching: "searching", at_least: (n) => `at least ${n} events`, lost: "Connection lost. Start timeline view again.", damaged: "Damaged and left out: ",
      keys_list: [["/", "search"], ["j k ↓ ↑", "next, previous event"], ["PgDn PgUp Home End", "far moves"], ["Enter", "detail"], ["m", "mark, unmark"], ["n", "write a note"], ["+ − / 0", "zoom in, out, all"], ["← →", "shift the span (on the chart)"], ["z", "back to the span before"], ["Esc", "close"]],
      chart: (n, a, b) => `density of ${n} events from ${a} to ${b}`, first: "first", theme: { auto: "auto", dark: "dark", light: "light" },
    },
  };
  const FACETS = ["kind", "source", "host", "state"];
  const PAGE = 100, WINDOW = 60000;
  const s = { lang: document.documentElement.lang === "en" ? "en" : "ja", zone: "", from: 0n, to: 1n, q: "", chosen: { kind: [], source: [], host: [], state: [] }, total: 0, base: 0, selected: -1, open: null, log: false, back: [], theme: "auto", shown: {}, find: {} };
  let meta = null, view = null, pages = new Map(), generation = 0, timer = 0;
  const t = () => WORDS[s.lang];
  const num = (n) => Number(n).toLocaleString("en-US");
  const small = () => matchMedia("(max-width: 760px)").matches;
  const height = () => (small() ? 58 : 31);

  const el = (tag, props = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name === "class") made.className = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value != null) made.setAttribute(name, value);
    }
    for (const child of children.flat()) if (child != null && child !== "") made.append(child);
    return made;
  };
  const svg = (tag, props = {}, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(props)) made.setAttribute(name, value);
    if (text != null) made.textContent = text;
    return made;
  };

  async function ask(name, params = {}) {
    const query = new URLSearchParams({ zone: s.zone, lang: s.lang, ...params });
    let reply;
    try { reply = await fetch(`api/${name}?${query}`); } catch { lost(); throw new Error("lost"); }
    const body = await reply.json();
    if (!reply.ok) throw new Error(body[s.lang] || body.error || reply.status);
    return body;
  }
  function lost() { $("outside").hidden = false; $("outside").textContent = t().lost; }
  function filters() {
    const found = { from: s.from, to: s.to };
    if (s.q) found.q = s.q;
    for (const facet of FACETS) if (s.chosen[facet].length) found[facet] = JSON.stringify(s.chosen[facet]);
    return found;
  }

  // ---- words, theme ----
  function dress() {
    document.documentElement.lang = s.lang;
    for (const one of document.querySelectorAll("[data-t]")) one.textContent = t()[one.dataset.t];
    $("q").placeholder = t().search; $("q").setAttribute("aria-label", t().search);
    $("scale").textContent = s.log ? t().log : t().linear;
    $("language").textContent = s.lang === "ja" ? "English" : "日本語";
    const dark = s.theme === "dark" || (s.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("theme").textContent = dark ? "☀" : "☾"; $("theme").setAttribute("aria-label", t().theme[dark ? "light" : "dark"]);
    $("help").setAttribute("aria-label", t().help);
    const box = $("help-box"); box.replaceChildren(el("h2", {}, t().help), el("table", {}, el("tbody", {}, t().keys_list.map(([key, what]) => el("tr", {}, el("td", {}, key.split(" ").flatMap((one) => [el("kbd", {}, one), " "])), el("td", {}, what))))), el("form", { method: "dialog" }, el("button", { class: "icon" }, t().close)));
  }

  // ---- asking for the view ----
  async function refresh({ keep = false } = {}) {
    const mine = ++generation;
    pages = new Map();
    if (!keep) { s.base = 0; s.selected = -1; $("rows").scrollTop = 0; }
    const bins = Math.max(40, Math.min(600, Math.floor($("plot").clientWidth / 4)));
    let got;
    try { got = await ask("view", { ...filters(), bins }); } catch (error) { if (error.message !== "lost") $("range").textContent = error.message; return; }
    if (mine !== generation) return;
    view = got; s.total = got.total;
    draw(); facets(); table(); marks();
    document.body.dataset.ready = String(mine);
    const searching = got.searched < 1;
    $("progress").hidden = !searching; $("progress").firstChild.style.width = `${Math.round(got.searched * 100)}%`;
    $("progress").setAttribute("aria-valuenow", Math.round(got.searched * 100));
    clearTimeout(timer);
    if (searching) timer = setTimeout(() => refresh({ keep: true }), 350);
  }
  function zoom(from, to, remember = true) {
    if (to - from < 1000n) { const mid = (from + to) / 2n; from = mid - 500n; to = mid + 500n; }
    if (remember) { s.back.push([s.from, s.to]); if (s.back.length > 100) s.back.shift(); }
    s.from = from; s.to = to; refresh();
  }
  const scaled = (factor, at = 0.5) => {
    const length = s.to - s.from, wanted = BigInt(Math.max(1000, Math.round(Number(length) * factor)));
    const pivot = s.from + (length * BigInt(Math.round(at * 1e6))) / 1000000n;
    const from = pivot - (wanted * BigInt(Math.round(at * 1e6))) / 1000000n;
    zoom(from, from + wanted);
  };
  const whole = () => zoom(BigInt(meta.first), BigInt(meta.last));
  const shift = (part) => { const step = (s.to - s.from) / BigInt(Math.round(1 / Math.abs(part))); zoom(s.from + (part > 0 ? step : -step), s.to + (part > 0 ? step : -step)); };

  // ---- chart ----
  function draw() {
    const plot = $("plot"), width = plot.clientWidth, tall = plot.clientHeight, base = tall - 20, root = $("svg");
    root.setAttribute("viewBox", `0 0 ${width} ${tall}`);
    root.replaceChildren();
    const bins = view.bins, count = bins[0] ? bins[0].length : 0;
    const totals = Array.from({ length: count }, (_, at) => bins.reduce((sum, row) => sum + row[at], 0));
    const most = Math.max(1, ...totals);
    const rise = (n) => (s.log ? Math.log1p(n) / Math.log1p(most) : n / most) * (base - 16);
    const at = (ns) => (Number(BigInt(ns) - s.from) / Number(s.to - s.from)) * width;
    for (const part of [1, 0.5]) {
      const value = s.log ? Math.round(Math.expm1(part * Math.log1p(most))) : most * part;
      const y = base - part * (base - 16);
      root.append(svg("line", { class: "grid", x1: 0, x2: width, y1: y, y2: y }));
      if (value >= 1 && Number.isInteger(value)) root.append(svg("text", { x: 2, y: y - 3 }, num(value)));
    }
    let last = -99;
    for (const [ns, label, larger] of view.ticks) {
      const x = at(ns);
      if (larger) root.append(svg("line", { class: "day", x1: x, x2: x, y1: 12, y2: base }));
      root.append(svg("line", { class: "axis", x1: x, x2: x, y1: base, y2: base + 4 }));
      if (x - last > 46 && x < width - 24) { root.append(svg("text", { x: Math.max(0, x + 3), y: tall - 5 }, label)); last = x; }
    }
    const gap = width / count > 5 ? 1 : 0;
    const floor = new Array(count).fill(0);
    bins.forEach((row, family) => {
      let path = "";
      for (let bin = 0; bin < count; bin += 1) {
        if (!row[bin]) continue;
        const full = Math.max(rise(totals[bin]), 2), part = (full * row[bin]) / totals[bin];
        const x = (bin * width) / count, w = width / count - gap, y = base - floor[bin] - part;
        path += `M${x.toFixed(1)} ${y.toFixed(1)}h${w.toFixed(1)}v${part.toFixed(1)}h${(-w).toFixed(1)}z`;
        floor[bin] += part;
      }
      if (path) root.append(svg("path", { class: `f${family}`, d: path }));
    });
    root.append(svg("line", { class: "axis", x1: 0, x2: width, y1: base, y2: base }));
    for (const mark of Object.values(meta.marks)) {
      if (!mark.time) continue;
      const x = at(mark.time);
      if (x >= 0 && x <= width) root.append(svg("path", { class: "mark", d: `M${x - 4} 2h8l-4 7z` }));
    }
    for (const one of meta.incident) {
      const x = at(one.time), said = one[s.lang];
      if (x < 0 || x > width) continue;
      const group = svg("g", { class: one.superseded ? "moment old" : "moment" }), left = x < width / 2;
      group.append(svg("title", {}, `${said.name} ${said.said}`), svg("line", { x1: x, x2: x, y1: 12, y2: base }), svg("text", { x: left ? x + 3 : x - 3, y: 11, "text-anchor": left ? "start" : "end" }, String(meta.incident.indexOf(one) + 1)));
      root.append(group);
    }
    if (s.open && s.open.ns) { const x = at(s.open.ns); if (x >= 0 && x <= width) root.append(svg("line", { class: "here", x1: x, x2: x, y1: 8, y2: base })); }
    $("total").textContent = view.searched < 1 ? `${t().at_least(num(view.total))} … ${t().searching} ${Math.round(view.searched * 100)} %` : t().events(num(view.total));
    $("range").textContent = `${view.from_text} – ${view.to_text}  ${s.zone}`;
    plot.setAttribute("aria-label", t().chart(num(view.total), view.from_text, view.to_text));
    $("legend").replaceChildren(...meta.families.map((family, at) => [family, at, bins[at].reduce((a, b) => a + b, 0)]).filter((one) => one[2]).map(([family, at, n]) => el("span", {}, el("i", { class: `f${at}` }), `${name(family)} ${num(n)}`)));
    const [all, end] = [BigInt(meta.first), BigInt(meta.last)], length = Number(end - all) || 1;
    const left = Math.max(0, Number(s.from - all) / length), right = Math.min(1, Number(s.to - all) / length);
    $("window").style.left = `${left * 100}%`; $("window").style.width = `${Math.max(0, right - left) * 100}%`;
    const outside = overview && !Object.values(s.chosen).some((one) => one.length) && !s.q && s.back.length === 0 ? meta.events - view.total : 0;
    $("outside").hidden = !outside && !meta.damaged.length;
    $("outside").replaceChildren(...(outside ? [t().outside(num(outside)), el("button", { onclick: whole }, t().show_all)] : []), ...(meta.damaged.length ? [t().damaged + meta.damaged.join(", ")] : []));
    $("zoom-back").disabled = !s.back.length;
  }
  const name = (family) => meta.family_names[family][s.lang];
  let overview = null;
  async function drawOverview() {
    overview = await ask("view", { from: meta.first, to: meta.last, bins: 240 });
    const sums = overview.bins[0].map((_, at) => overview.bins.reduce((sum, row) => sum + row[at], 0));
    const most = Math.log1p(Math.max(1, ...sums)), root = $("over");
    root.setAttribute("viewBox", "0 0 240 26"); root.setAttribute("preserveAspectRatio", "none");
    root.replaceChildren(svg("path", { d: sums.map((n, at) => (n ? `M${at} 26v${(-3 - (20 * Math.log1p(n)) / most).toFixed(1)}h1v30z` : "")).join("") }));
  }
  const share = (event, box) => { const r = box.getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientX - r.left) / r.width)); };
  const moment = (part) => s.from + BigInt(Math.round(Number(s.to - s.from) * part));
  let dragged = null;
  function chartEvents() {
    const plot = $("plot");
    plot.addEventListener("pointerdown", (event) => { if (event.button) return; dragged = share(event, plot); plot.setPointerCapture(event.pointerId); });
    plot.addEventListener("pointermove", (event) => {
      const here = share(event, plot), brush = $("brush");
      if (dragged != null && Math.abs(here - dragged) > 0.004) {
        brush.hidden = false; brush.style.left = `${Math.min(here, dragged) * 100}%`; brush.style.width = `${Math.abs(here - dragged) * 100}%`; $("tip").hidden = true;
      } else if (view && event.pointerType !== "touch") tip(here);
    });
    plot.addEventListener("pointerleave", () => { $("tip").hidden = true; });
    plot.addEventListener("pointerup", (event) => {
      const here = share(event, plot), start = dragged; dragged = null; $("brush").hidden = true;
      if (start == null) return;
      if (Math.abs(here - start) > 0.004) zoom(moment(Math.min(here, start)), moment(Math.max(here, start)));
      else goTo({ ns: String(moment(here)) });
    });
    plot.addEventListener("wheel", (event) => { event.preventDefault(); if (event.shiftKey) shift(event.deltaY > 0 ? 0.2 : -0.2); else scaled(event.deltaY > 0 ? 1.6 : 0.625, share(event, plot)); }, { passive: false });
    plot.addEventListener("keydown", (event) => { if (event.key === "ArrowLeft") { shift(-0.25); event.preventDefault(); } if (event.key === "ArrowRight") { shift(0.25); event.preventDefault(); } });
    const over = $("overview");
    const centre = (event) => { const length = s.to - s.from, at = BigInt(meta.first) + BigInt(Math.round(Number(BigInt(meta.last) - BigInt(meta.first)) * share(event, over))); zoom(at - length / 2n, at + length / 2n); };
    over.addEventListener("pointerdown", centre);
  }
  function tip(part) {
    const count = view.bins[0] ? view.bins[0].length : 0, bin = Math.min(count - 1, Math.floor(part * count)), box = $("tip");
    const inside = meta.families.map((family, at) => [family, at, view.bins[at][bin]]).filter((one) => one[2]).sort((a, b) => b[2] - a[2]);
    box.hidden = !inside.length; if (!inside.length) return;
    const ns = s.from + ((s.to - s.from) * BigInt(bin)) / BigInt(count);
    box.replaceChildren(el("b", {}, stamp(ns)), ...inside.map(([family, at, n]) => el("div", {}, el("span", {}, el("i", { class: `f${at}` }), name(family)), el("span", {}, num(n)))));
    box.style.left = part < 0.6 ? `calc(${part * 100}% + 14px)` : "auto"; box.style.right = part < 0.6 ? "auto" : `calc(${(1 - part) * 100}% + 14px)`;
  }
  function stamp(ns) {
    const date = new Date(Number(ns / 1000000n));
    if (Number.isNaN(date.getTime())) return "";
    try { return new Intl.DateTimeFormat("sv-SE", { timeZone: /^[+-]/.test(s.zone) ? "UTC" : s.zone, dateStyle: "short", timeStyle: "medium" }).format(date); } catch { return date.toISOString(); }
  }

  // ---- facets ----
  const label = (facet, value) => {
    if (facet === "kind") return meta.kinds[value] ? meta.kinds[value][s.lang] : value;
    if (facet === "state") return t()[value] || value;
    if (facet === "source") return value.split("|").slice(-1)[0].replace(/^[a-z0-9]+:/, "") || value;
    return value || "–";
  };
  function facets() {
    const made = FACETS.map((facet) => {
      const all = view.facets[facet], chosen = s.chosen[facet], find = (s.find[facet] || "").toLowerCase();
      const present = new Set(all.map((one) => one[0]));
      const values = [...chosen.filter((one) => !present.has(one)).map((one) => [one, 0]), ...all].filter(([value]) => !find || `${value} ${label(facet, value)}`.toLowerCase().includes(find));
      values.sort((a, b) => chosen.includes(b[0]) - chosen.includes(a[0]) || b[1] - a[1]);
      const limit = s.shown[facet] ? 400 : 9;
      const list = values.slice(0, limit).map(([value, count]) => {
        const family = facet === "kind" ? familyOf(value) : -1;
        const box = el("input", { type: "checkbox", checked: chosen.includes(value), onchange: (event) => { s.chosen[facet] = event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value); refresh(); } });
        return el("li", {}, el("label", { class: count ? "" : "zero", title: facet === "kind" ? value : value }, box, el("span", { class: "name" }, family >= 0 ? el("i", { class: `f${family}` }) : null, label(facet, value)), el("span", { class: "count" }, num(count))));
      });
      const rest = values.length - limit;
      return el("section", { class: "facet", "data-facet": facet },
        el("header", {}, el("h2", {}, t()[`facet_${facet}`]), chosen.length ? el("button", { onclick: () => { s.chosen[facet] = []; refresh(); } }, t().clear) : null),
        all.length > 9 || find ? el("input", { type: "search", placeholder: t().find, "aria-label": t().find, value: s.find[facet] || "", oninput: (event) => { s.find[facet] = event.target.value; facets(); const again = document.querySelector(`[data-facet="${facet}"] input[type="search"]`); again.focus(); again.setSelectionRange(again.value.length, again.value.length); } }) : null,
        el("ul", {}, list), rest > 0 || s.shown[facet] ? el("button", { class: "more", onclick: () => { s.shown[facet] = !s.shown[facet]; facets(); } }, s.shown[facet] ? t().less : t().more(num(rest))) : null);
    });
    $("facets").replaceChildren(...made, meta.without_time ? el("p", { class: "hint" }, el("small", {}, t().no_time(num(meta.without_time)))) : "");
  }
  const familyOf = (kind) => { const at = meta.families.indexOf(kind.split(".")[0]); return at >= 0 ? at : meta.families.length - 1; };
  function marks() {
    const found = Object.entries(meta.marks);
    const moments = meta.incident.map((one, place) => { const said = one[s.lang]; return el("button", { class: "item moment", title: said.said, onclick: () => goTo({ ns: one.time }) }, el("b", {}, String(place + 1)), el("small", {}, stamp(BigInt(one.time)).slice(0, 16)), `${said.name} `, el("small", {}, said.spans[0] ? `+ ${said.spans[0]}`.replace("+ −", "− ") : "")); });
    $("marks").replaceChildren(...(moments.length ? [el("section", { class: "facet" }, el("header", {}, el("h2", {}, t().incident)), moments)] : []), ...(found.length ? [el("section", { class: "facet" }, el("header", {}, el("h2", {}, `${t().marks} ${found.length}`)), found.map(([id, mark]) => el("button", { class: "item", title: mark.note, onclick: () => { openEvent(id); if (mark.time) goTo({ ns: mark.time }); } }, el("b", {}, "●"), el("small", {}, mark.time ? stamp(BigInt(mark.time)).slice(0, 16) : id), mark.note)))] : []));
  }

  // ---- table ----
  function table() {
    const rows = Math.min(WINDOW, s.total - s.base);
    $("spacer").style.height = `${Math.max(0, rows) * height()}px`;
    $("empty").hidden = s.total > 0 || view.searched < 1;
    if (!s.total) $("empty").replaceChildren(el("p", {}, t().empty), el("button", { class: "icon", onclick: () => { s.q = ""; $("q").value = ""; for (const facet of FACETS) s.chosen[facet] = []; whole(); } }, t().reset));
    render();
  }
  function first() { return s.base + Math.floor($("rows").scrollTop / height()); }
  function render() {
    const box = $("rows"), h = height(), tall = box.clientHeight;
    // The list slides under the scroll bar where it is too long for a browser's largest element.
    if (s.total > WINDOW) {
      const at = first();
      if ((box.scrollTop + tall > (WINDOW - 500) * h && s.base + WINDOW < s.total) || (box.scrollTop < 500 * h && s.base > 0)) {
        const inside = box.scrollTop % h;
        s.base = Math.max(0, Math.min(s.total - WINDOW, at - WINDOW / 2)); s.base = Math.floor(s.base);
        $("spacer").style.height = `${Math.min(WINDOW, s.total - s.base) * h}px`;
        box.scrollTop = (at - s.base) * h + inside;
      }
    }
    const low = Math.max(0, first() - 8), high = Math.min(s.total, first() + Math.ceil(tall / h) + 8), made = [];
    for (let at = low; at < high; at += 1) made.push(row(at));
    $("spacer").replaceChildren(...made);
    $("place").textContent = s.total ? `${num(Math.min(first() + 1, s.total))} – ${num(Math.min(s.total, first() + Math.ceil(tall / h)))} / ${num(s.total)}` : "";
    fetchPages(low, high);
  }
  function row(at) {
    const page = pages.get(Math.floor(at / PAGE)), one = page && page.rows ? page.rows[at % PAGE] : null;
    const made = el("div", { class: one ? "row" : "row wait", role: "option", id: `r${at}`, "data-at": at, "aria-selected": at === s.selected ? "true" : "false" });
    made.style.top = `${(at - s.base) * height()}px`;
    if (!one) { made.append(el("span", { class: "when" }), ...(meta.corrected ? [el("span", { class: "range" })] : []), el("span", { class: "kind" }), el("span", { class: "what" }), el("span", { class: "from" })); return made; }
    if (meta.marks[one.id]) made.classList.add("marked");
    made.append(
      el("span", { class: one.known ? "when" : "when unknown", title: one.known ? one.time : `${one.time} ${t().unknown}` }, one.time.slice(0, -7).slice(0, 23), el("small", {}, one.known ? "" : " ?")),
      ...(meta.corrected ? [el("span", { class: one.corrected ? "range" : "range unknown", title: one.amount }, one.corrected || t().unknown)] : []),
      el("span", { class: "kind", title: one.kind }, el("i", { class: `f${meta.families.indexOf(one.family)}` }), label("kind", one.kind)),
      el("span", { class: "what", title: one.text }, one.state !== "live" ? el("span", { class: "tag" }, t()[one.state] || one.state) : null, one.text),
      el("span", { class: "from", title: `${one.source} ${one.host}` }, [one.host, one.actor].filter(Boolean).join(" · ") || one.source));
    return made;
  }
  let waiting = 0;
  function fetchPages(low, high) {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = generation;
      for (let number = Math.floor(low / PAGE); number <= Math.floor(Math.max(low, high - 1) / PAGE); number += 1) {
        if (pages.has(number) || number * PAGE >= s.total) continue;
        pages.set(number, { rows: null });
        try {
          const got = await ask("rows", { ...filters(), at: number * PAGE, n: PAGE });
          if (mine !== generation) return;
          pages.set(number, got);
        } catch { pages.delete(number); return; }
        if (pages.size > 300) pages.delete(pages.keys().next().value);
        render();
      }
    }, 40);
  }
  function scrollTo(at, centre = true) {
    const box = $("rows"), h = height();
    if (at < s.base || at >= s.base + WINDOW) { s.base = Math.max(0, Math.min(Math.max(0, s.total - WINDOW), at - WINDOW / 2)); $("spacer").style.height = `${Math.min(WINDOW, s.total - s.base) * h}px`; }
    const top = (at - s.base) * h;
    if (centre) box.scrollTop = top - box.clientHeight / 2 + h;
    else if (top < box.scrollTop) box.scrollTop = top;
    else if (top + h > box.scrollTop + box.clientHeight) box.scrollTop = top + h - box.clientHeight;
    render();
  }
  async function goTo(where) { const got = await ask("place", { ...filters(), ...where }); s.selected = Math.min(got.at, s.total - 1); scrollTo(s.selected); return got; }
  const rowAt = (at) => { const page = pages.get(Math.floor(at / PAGE)); return page && page.rows ? page.rows[at % PAGE] : null; };
  function select(at, show = true) {
    if (!s.total) return;
    s.selected = Math.max(0, Math.min(s.total - 1, at)); scrollTo(s.selected, false);
    $("rows").setAttribute("aria-activedescendant", `r${s.selected}`);
    const one = rowAt(s.selected);
    if (one && show && s.open) openEvent(one.id);
  }

  // ---- one event ----
  const span = (ns) => (ns >= 86400e9 ? `${ns / 86400e9} d` : ns >= 1e9 ? `${ns / 1e9} s` : ns >= 1e6 ? `${ns / 1e6} ms` : ns >= 1e3 ? `${ns / 1e3} µs` : `${ns} ns`);
  async function openEvent(id) {
    let one;
    try { one = await ask("event", { id }); } catch (error) { return; }
    s.open = one;
    const pair = (name, value, style = "") => (value === "" || value == null ? [] : [el("dt", {}, name), el("dd", { class: style }, String(value))]);
    const mark = meta.marks[one.id], box = $("detail");
    const area = el("textarea", { "aria-label": t().note, maxlength: 2000 }); area.value = mark ? mark.note : "";
    const said = el("span", { class: "hint", role: "status" });
    const write = async (marked) => {
      try {
        const reply = await fetch("api/note", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ id: one.id, text: marked ? area.value : "", marked }) });
        const body = await reply.json();
        if (!reply.ok) throw new Error(body[s.lang] || body.error);
        meta.marks = body.marks; await openEvent(one.id); draw(); marks(); render();
        const status = document.querySelector("#detail [role=status]"); if (status) status.textContent = t().saved;
      } catch (error) { said.textContent = `${t().failed}: ${error.message}`; }
    };
    s.mark = () => write(!meta.marks[one.id]);
    const corrected = one.corrected ? `${one.corrected.earliest} – ${one.corrected.latest}${one.corrected.ground ? `\n${one.corrected.ground}` : ""}` : "";
    box.replaceChildren(
      el("header", {}, el("div", {}, el("h2", {}, one.text), el("p", { class: "sub" }, `${one.kind} · ${one.id}`)), el("button", { class: "icon", "aria-label": t().close, onclick: shut }, "×")),
      el("h3", {}, t().time),
      el("dl", {}, pair(t().original, one.time_text, "raw"), pair(t().utc, one.known ? one.utc.replace("+00:00", "UTC") : ""), pair(`${t().local} (${s.zone})`, one.known ? one.time : one.time.slice(0, -7)), pair(t().zone, `${one.zone || t().unknown} — ${t().basis[one.zone_basis] || one.zone_basis}`), pair(t().corrected, corrected), pair(t().precision, span(one.precision_ns)), pair(t().clock, one.clock || t().host_clock), pair(t().which, one.desc)),
      one.known ? "" : el("p", { class: "warn" }, t().unknown_zone_warn),
      el("h3", {}, t().note),
      mark ? el("div", { class: "saved" }, mark.note || "●", el("small", {}, `#${mark.seq} ${mark.actor} ${mark.at}`)) : "",
      meta.notes ? area : el("p", { class: "hint" }, t().notes_off),
      meta.notes ? el("div", { class: "actions" }, el("button", { class: "icon primary", onclick: () => write(true) }, mark ? t().save_again : t().save), mark ? el("button", { class: "icon", onclick: () => write(false) }, t().unmark) : null, said) : "",
      meta.notes ? el("p", { class: "hint" }, t().note_hint) : "",
      el("div", { class: "actions" }, el("button", { class: "icon", onclick: () => navigator.clipboard && navigator.clipboard.writeText(one.id) }, t().copy), one.ns ? el("button", { class: "icon", onclick: () => { const at = BigInt(one.ns); for (const facet of FACETS) s.chosen[facet] = []; s.q = ""; $("q").value = ""; s.back.push([s.from, s.to]); s.from = at - 300000000000n; s.to = at + 300000000000n; refresh().then(() => goTo({ ns: one.ns })); } }, t().around) : null),
      el("h3", {}, t().about),
      el("dl", {}, pair(t().path, one.path), pair(t().actor, one.actor), pair(t().host, one.host), pair(t().bytes, one.bytes == null ? "" : num(one.bytes)), pair(t().state, t()[one.state] || one.state), pair(t().record, one.record), pair(t().order, one.sequence ? num(one.sequence) : ""), pair(t().parser, one.parser)),
      Object.keys(one.data).length ? el("h3", {}, t().data) : "",
      el("dl", {}, Object.entries(one.data).flatMap(([name, value]) => pair(name, typeof value === "object" && value !== null ? JSON.stringify(value) : value))),
      el("h3", {}, t().layers), el("ul", { class: "layers" }, one.layer.split("|").map((part) => el("li", {}, part))),
      el("p", {}, "\u00a0"), el("details", {}, el("summary", {}, t().raw), el("pre", {}, JSON.stringify(one, null, 1))),
    );
    box.hidden = false; box.scrollTop = 0; s.area = area; draw();
    if (s.selected >= 0) requestAnimationFrame(() => scrollTo(s.selected, false));
  }
  function shut() { $("detail").hidden = true; s.open = null; draw(); $("rows").focus(); }

  // ---- hands ----
  function events() {
    chartEvents();
    $("rows").addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
    $("rows").addEventListener("click", (event) => { const hit = event.target.closest(".row"); if (!hit) return; s.selected = Number(hit.dataset.at); const one = rowAt(s.selected); render(); if (one) openEvent(one.id); });
    $("search").addEventListener("submit", (event) => { event.preventDefault(); s.q = $("q").value.trim(); refresh(); });
    let typing = 0;
    $("q").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { const words = $("q").value.trim(); if (words !== s.q && (words.length !== 1 || words > "\u007f")) { s.q = words; refresh(); } }, 350); });
    $("zone").addEventListener("change", () => { s.zone = $("zone").value; refresh({ keep: true }).then(() => s.open && openEvent(s.open.id)); });
    $("language").addEventListener("click", () => { s.lang = s.lang === "ja" ? "en" : "ja"; dress(); refresh({ keep: true }).then(() => s.open && openEvent(s.open.id)); });
    $("theme").addEventListener("click", () => { s.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark"; dress(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
    $("help").addEventListener("click", () => $("help-box").showModal());
    $("scale").addEventListener("click", () => { s.log = !s.log; dress(); draw(); });
    $("zoom-in").addEventListener("click", () => scaled(0.5)); $("zoom-out").addEventListener("click", () => scaled(2)); $("zoom-all").addEventListener("click", whole);
    const back = () => { const before = s.back.pop(); if (before) zoom(before[0], before[1], false); };
    $("zoom-back").addEventListener("click", back);
    const side = (open) => { $("side").classList.toggle("open", open); $("open-facets").setAttribute("aria-expanded", open); };
    $("open-facets").addEventListener("click", () => side(true)); $("close-facets").addEventListener("click", () => side(false));
    new ResizeObserver(() => { if (view) { draw(); table(); } }).observe($("plot"));
    document.addEventListener("keydown", (event) => {
      const typed = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
      if (event.key === "Escape") { if ($("help-box").open) return; if (typed) event.target.blur(); else if (!$("detail").hidden) shut(); side(false); return; }
      if (typed || event.ctrlKey || event.metaKey || event.altKey || $("help-box").open) return;
      const page = Math.max(1, Math.floor($("rows").clientHeight / height()) - 1);
      const moves = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: page, PageUp: -page };
      if (event.key in moves) { select(s.selected + moves[event.key]); event.preventDefault(); return; }
      const acts = {
        "/": () => $("q").focus(), "?": () => $("help-box").showModal(), "+": () => scaled(0.5), ";": () => scaled(0.5), "-": () => scaled(2), 0: whole, z: back, Home: () => select(0), End: () => select(s.total - 1),
        Enter: () => { if (event.target.tagName === "BUTTON" || event.target.type === "checkbox") return false; const one = rowAt(Math.max(0, s.selected)); if (one) { s.selected = Math.max(0, s.selected); render(); openEvent(one.id); } return true; },
        m: () => { const one = rowAt(s.selected); if (!meta.notes || (!one && !s.open)) return; if (!s.open || (one && s.open.id !== one.id)) openEvent(one.id).then(() => s.mark()); else s.mark(); },
        n: () => { const one = rowAt(s.selected); if (s.open) s.area.focus(); else if (one) openEvent(one.id).then(() => s.area.focus()); },
      };
      const act = acts[event.key];
      if (act && act() !== false) event.preventDefault();
    });
  }

  async function start() {
    s.zone = "UTC"; meta = await ask("meta");
    document.querySelector(".table").classList.toggle("both", meta.corrected);
    s.zone = meta.zone; s.lang = meta.language;
    document.title = `${meta.title} – timeline`; $("title").textContent = meta.title;
    $("zone").replaceChildren(...meta.zones.map((zone) => el("option", { value: zone }, zone))); $("zone").value = s.zone;
    const hint = new URLSearchParams(location.hash.slice(1));
    if (hint.get("lang")) s.lang = hint.get("lang");
    if (hint.get("theme")) s.theme = hint.get("theme");
    const [first, last, low, high] = [meta.first, meta.last, ...meta.quantiles].map(BigInt);
    const core = high - low || 1n;
    // Stray clocks (1980, 2106) must not squeeze everything else into one line.
    [s.from, s.to] = last - first > core * 4n && meta.events > 50 ? [low - core / 50n, high + core / 50n + 1n] : [first, last];
    if (hint.get("from")) s.from = BigInt(hint.get("from"));
    if (hint.get("to")) s.to = BigInt(hint.get("to"));
    if (hint.get("q")) { s.q = hint.get("q"); $("q").value = s.q; }
    for (const facet of FACETS) if (hint.get(facet)) s.chosen[facet] = JSON.parse(hint.get(facet));
    dress(); events();
    if (!meta.events) { $("total").textContent = t().events(0); return; }
    await drawOverview(); await refresh();
    if (hint.get("open")) { await openEvent(hint.get("open")); if (s.open && s.open.ns) await goTo({ ns: s.open.ns }); }
    document.body.dataset.started = "1";
  }
  start();
})();
