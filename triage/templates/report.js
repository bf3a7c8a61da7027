/* The report's page: language, theme, tables of up to 200,000 rows, filters that live in the address.
   Text from evidence reaches the page through textContent alone. Address: #lang=en&view=findings&q=…&confidence=high
   &state=deleted&sort=-offset&file=F000001&person=3&from=0&to=4096&id=F000001&theme=dark */
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const D = JSON.parse($("data").textContent);
  const S = D.strings, L = D.lists, R = D.rows;
  const WORDS = {
    high: ["高", "High"], medium: ["中", "Medium"], low: ["低", "Low"],
    allocated: ["現存", "Allocated"], deleted: ["削除済み", "Deleted"], carved: ["切り出し", "Carved"],
    snapshot: ["過去の状態", "Snapshot"], unallocated: ["未割当て", "Unallocated"],
    slack: ["スラック", "Slack"], metadata: ["管理情報", "Metadata"], outside: ["区画外", "Outside"],
    encrypted: ["暗号化", "Encrypted"], damaged: ["破損", "Damaged"], unsupported: ["未対応", "Unsupported"], limit: ["上限", "Limit"],
    id: ["所見ID", "Finding"], confidence: ["確度", "Conf."], masked: ["個人番号", "My Number"], person: ["番号#", "No. #"], path: ["場所", "Path"],
    location: ["中の位置", "Within"], state: ["状態", "State"], offset: ["媒体上の位置", "Offset"], persons: ["異なる番号", "Distinct"],
    count: ["件数", "Findings"], files: ["ファイル", "Files"], rule: ["規則", "Rule"], tags: ["タグ", "Tags"], reason: ["理由", "Reason"],
    detail: ["内容", "Detail"], size: ["大きさ", "Size"],
    tabFindings: ["個人番号", "My Numbers"], tabFiles: ["ファイル別", "By file"], tabPersons: ["番号別", "By number"], tabYara: ["YARA", "YARA"],
    tabCoverage: ["読めなかったもの", "Not read"],
    search: ["検索: 場所、下4桁、理由、位置(0x…)", "Search: path, last digits, reason, offset (0x…)"],
    searchShort: ["検索", "Search"], clear: ["条件を消す", "Clear"], none: ["該当なし", "Nothing matches"],
    noFindings: ["読めた範囲からは見つからなかった。存在しないことを示すものではない。", "Nothing was found in what was read. This does not show that there is nothing."],
    noCoverage: ["読めなかったものの記録はない。", "Nothing is recorded as unread."],
    noYara: ["YARA 規則に一致したものはない(または規則を指定していない)。", "No YARA rule matched (or none was given)."],
    first: ["先頭", "First"], last: ["末尾", "Last"], prev: ["前", "Prev"], next: ["次", "Next"], close: ["閉じる", "Close"],
    details: ["詳細", "Details"], reasons: ["判定の理由", "Reasons"], rivals: ["ほかの読み方", "Other readings"], noRivals: ["なし", "none"], facts: ["所在の性質", "About the place"],
    layers: ["読み取りの層", "Layers"], container: ["格納先", "Container"], encoding: ["符号化", "Encoding"], mediaOffset: ["媒体上", "In the media"],
    fileOffset: ["ファイル内", "In the file"], sector: ["512 B セクタ", "512 B sector"], noPlace: ["媒体上に一つの位置を持たない(圧縮・符号化など)", "no single place in the media (compressed, encoded, …)"],
    times: ["ファイルの時刻", "Times of the file"], zoneUnknown: ["時間帯不明", "zone unknown"], raw: ["記録値", "as recorded"], precision: ["精度", "precision"], copies: ["同じ内容の別の位置", "The same bytes also at"],
    modified: ["更新", "modified"], created: ["作成", "created"], accessed: ["アクセス", "accessed"], changed: ["管理情報変更", "metadata changed"], deletedTime: ["削除", "deleted"],
    filename_created: ["作成(ファイル名属性)", "created ($FILE_NAME)"], filename_modified: ["更新(ファイル名属性)", "modified ($FILE_NAME)"],
    filename_accessed: ["アクセス(ファイル名属性)", "accessed ($FILE_NAME)"], filename_changed: ["管理情報変更(ファイル名属性)", "metadata changed ($FILE_NAME)"],
    more: ["全 {n} 件のうち先頭のみ", "the first of {n}"], sameFile: ["このファイルの所見", "All in this file"], samePerson: ["同じ番号の所見", "All of this number"], near: ["この付近の所見", "All near here"],
    strings: ["一致した文字列の位置", "Offsets of matching strings"], meta: ["規則の説明", "Rule metadata"],
    fileFilter: ["ファイル: ", "File: "], personFilter: ["番号: ", "Number: "], rangeFilter: ["位置: ", "Offset: "],
    printed: ["{n} 件のうち {m} 件を印刷。全件は findings.jsonl にある。", "{m} of {n} printed. All of them are in findings.jsonl."],
    rows: ["{a}–{b} / {n} 件", "{a}–{b} of {n}"], noRows: ["0 件", "None"], of: ["(全 {t} 件から絞込み)", "(filtered from {t})"], theme: ["明暗", "Theme"],
    noFile: ["(ファイルの外)", "(not in a file)"],
  };
  const lang = () => (document.documentElement.lang === "en" ? 1 : 0);
  const w = (key) => (WORDS[key] ? WORDS[key][lang()] : key);
  const fill = (key, values) => w(key).replace(/\{(\w)\}/g, (_, k) => values[k]);
  const num = (n) => n.toLocaleString("en-US");
  const hex = (n) => "0x" + n.toString(16).toUpperCase();
  const bytes = (n) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let i = 0;
    while (n >= 1024 && i < 5) { n /= 1024; i++; }
    return (i && n < 100 ? n.toFixed(n < 10 ? 2 : 1) : Math.round(n)) + " " + units[i];
  };
  const el = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const bdi = (text, className) => { const node = el("bdi", className, text); node.dir = "ltr"; return node; };
  const layer = (code, path) => S[code >> 1] + (code & 1 ? S[path] : "");

  /* ---- state in the address ---- */
  const st = { view: "findings", q: "", confidence: "", state: "", reason: "", sort: "", file: "", person: "", from: "", to: "", id: "", lang: "", theme: "" };
  const readHash = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(st)) st[key] = given.get(key) || (key === "view" ? "findings" : "");
    if (!VIEWS[st.view]) st.view = "findings";
    if (st.lang === "ja" || st.lang === "en") document.documentElement.lang = st.lang;
    if (st.theme === "dark" || st.theme === "light") document.documentElement.dataset.theme = st.theme;
    for (const key of ["from", "to", "person"]) if (st[key] && !/^\d{1,15}$/.test(st[key])) st[key] = "";
  };
  const writeHash = () => {
    const out = new URLSearchParams();
    for (const [key, value] of Object.entries(st)) if (value !== "" && !(key === "view" && value === "findings")) out.set(key, value);
    const text = "#" + out.toString();
    try { history.replaceState(null, "", text); } catch (error) { location.replace(text); }
  };

  /* ---- searching: each term is looked up once in the list of strings, then rows are compared by number ---- */
  let normal = null;
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const matcher = (term) => {
    normal = normal || S.map(fold);
    const hit = new Uint8Array(S.length);
    for (let i = 0; i < S.length; i++) if (normal[i].includes(term)) hit[i] = 1;
    const list = L.map((numbers) => numbers.some((number) => hit[number]));
    const words = (key) => WORDS[key] && WORDS[key].some((word) => fold(word) === term);
    const offset = /^0x[0-9a-f]+$/.test(term) || /^\d+$/.test(term) ? Number(term) : -1;
    return { term, hit, list, words, offset };
  };

  /* ---- the five tables ---- */
  const N = R.id.length;
  const fileKey = (i) => R.layers[i] + ":" + R.path[i];
  const all = (n) => Array.from({ length: n }, (_, i) => i);
  const ids = new Map();
  R.id.forEach((id, i) => ids.set(id, i));
  const stateName = (i) => D.states[i];
  const tagOf = (level) => el("span", "tag " + level, w(level));
  const pathNode = (text, container) => {
    if (!text && !container) return el("span", "none", w("noFile"));
    const main = text || container, cut = main.lastIndexOf("/") + 1, node = bdi("");
    if (cut) node.append(el("span", "dir", main.slice(0, cut)));
    node.append(el("span", "base", main.slice(cut)));
    // The chain of containers begins with the name of the file itself.
    const inner = container.startsWith(main.slice(cut) + "!/") ? container.slice(main.length - cut + 2) : container;
    if (text && inner && inner !== main.slice(cut)) node.append(el("span", "inner", "!/" + inner));
    return node;
  };
  const inWords = (i) => S[R.location[i]];
  let groupCache = {};
  const filesOf = () => {
    if (groupCache.files) return groupCache.files;
    const groups = new Map();
    for (let i = 0; i < N; i++) {
      const key = fileKey(i);
      let group = groups.get(key);
      if (!group) groups.set(key, (group = { first: i, counts: [0, 0, 0], persons: new Set(), n: 0 }));
      group.counts[R.confidence[i]]++; group.n++;
      if (R.person[i]) group.persons.add(R.person[i]);
    }
    return (groupCache.files = [...groups.values()].sort((a, b) => b.counts[0] - a.counts[0] || b.n - a.n || a.first - b.first));
  };
  const personsOf = () => {
    if (groupCache.persons) return groupCache.persons;
    const groups = new Map();
    for (let i = 0; i < N; i++) {
      if (!R.person[i]) continue;
      let group = groups.get(R.person[i]);
      if (!group) groups.set(R.person[i], (group = { person: R.person[i], first: i, best: 3, files: new Set(), n: 0 }));
      if (R.confidence[i] < group.best) { group.best = R.confidence[i]; group.first = i; }
      group.files.add(fileKey(i)); group.n++;
    }
    return (groupCache.persons = [...groups.values()].sort((a, b) => a.best - b.best || b.n - a.n || a.person - b.person));
  };
  const rowMatches = (m, i) => m.hit[R.path[i]] || m.hit[R.container[i]] || m.hit[R.location[i]] || m.hit[R.masked[i]] || m.hit[R.layers[i] >> 1] ||
    m.hit[R.encoding[i]] || m.list[R.reasons[i]] || m.list[R.rivals[i]] || R.id[i].toLowerCase().includes(m.term) ||
    (m.offset >= 0 && (R.offset[i] === m.offset || R.file_offset[i] === m.offset)) || m.words(stateName(R.state[i])) || m.words(D.confidences[R.confidence[i]]);
  const column = (key, get, sort, right) => ({ key, get, sort, right });
  const levels = () => new Set(st.confidence ? st.confidence.split(",") : D.confidences);
  const states = () => new Set(st.state ? st.state.split(",") : D.states);
  const inRange = (offset) => !st.to || (offset !== null && offset >= Number(st.from || 0) && offset < Number(st.to));
  const offsetText = (n) => (n === null ? "—" : num(n));
  const byString = (n) => S[n];
  const VIEWS = {
    findings: {
      total: () => N,
      rows: (terms) => {
        const level = levels(), place = states(), out = [];
        const okLevel = D.confidences.map((name) => level.has(name)), okState = D.states.map((name) => place.has(name));
        const file = st.file && ids.has(st.file) ? fileKey(ids.get(st.file)) : "";
        const person = Number(st.person);
        for (let i = 0; i < N; i++) {
          if (!okLevel[R.confidence[i]] || !okState[R.state[i]]) continue;
          if (file && fileKey(i) !== file) continue;
          if (person && R.person[i] !== person) continue;
          if (!inRange(R.offset[i])) continue;
          if (terms.every((m) => rowMatches(m, i))) out.push(i);
        }
        return out;
      },
      id: (i) => R.id[i],
      columns: [
        column("id", (i) => R.id[i], (i) => i),
        column("confidence", (i) => tagOf(D.confidences[R.confidence[i]]), (i) => R.confidence[i]),
        column("masked", (i) => el("span", "mono", S[R.masked[i]]), (i) => byString(R.masked[i])),
        column("person", (i) => (R.person[i] ? "#" + R.person[i] : "—"), (i) => R.person[i]),
        column("path", (i) => pathNode(S[R.path[i]], S[R.container[i]]), (i) => byString(R.path[i]) + "\n" + byString(R.container[i])),
        column("location", (i) => bdi(inWords(i)), (i) => byString(R.location[i])),
        column("state", (i) => w(stateName(R.state[i])), (i) => R.state[i]),
        column("offset", (i) => offsetText(R.offset[i]), (i) => (R.offset[i] === null ? Infinity : R.offset[i]), true),
      ],
      detail: (i) => findingDetail(i),
    },
    files: {
      total: () => filesOf().length,
      rows: (terms) => filesOf().map((_, g) => g).filter((g) => terms.every((m) => {
        const i = filesOf()[g].first;
        return m.hit[R.path[i]] || m.hit[R.layers[i] >> 1] || m.words(stateName(R.state[i]));
      })),
      id: (g) => R.id[filesOf()[g].first],
      columns: [
        column("path", (g) => pathNode(S[R.path[filesOf()[g].first]], ""), (g) => byString(R.path[filesOf()[g].first])),
        column("state", (g) => w(stateName(R.state[filesOf()[g].first])), (g) => R.state[filesOf()[g].first]),
        ...[0, 1, 2].map((k) => column(D.confidences[k], (g) => num(filesOf()[g].counts[k]), (g) => -filesOf()[g].counts[k], true)),
        column("persons", (g) => num(filesOf()[g].persons.size), (g) => -filesOf()[g].persons.size, true),
      ],
      open: (g) => { reset(); st.view = "findings"; st.file = R.id[filesOf()[g].first]; },
    },
    persons: {
      total: () => personsOf().length,
      rows: (terms) => personsOf().map((_, g) => g).filter((g) => terms.every((m) => {
        const group = personsOf()[g];
        return m.term === "#" + group.person || m.hit[R.masked[group.first]] || m.hit[R.path[group.first]] || m.words(D.confidences[group.best]);
      })),
      id: (g) => "#" + personsOf()[g].person,
      columns: [
        column("person", (g) => "#" + personsOf()[g].person, (g) => personsOf()[g].person),
        column("masked", (g) => el("span", "mono", S[R.masked[personsOf()[g].first]]), (g) => byString(R.masked[personsOf()[g].first])),
        column("confidence", (g) => tagOf(D.confidences[personsOf()[g].best]), (g) => personsOf()[g].best),
        column("count", (g) => num(personsOf()[g].n), (g) => -personsOf()[g].n, true),
        column("files", (g) => num(personsOf()[g].files.size), (g) => -personsOf()[g].files.size, true),
        column("path", (g) => pathNode(S[R.path[personsOf()[g].first]], S[R.container[personsOf()[g].first]]), (g) => byString(R.path[personsOf()[g].first])),
      ],
      open: (g) => { reset(); st.view = "findings"; st.person = String(personsOf()[g].person); },
    },
    yara: {
      total: () => D.yara.length,
      rows: (terms) => all(D.yara.length).filter((i) => {
        const y = D.yara[i];
        return states().has(stateName(y[4])) && inRange(y[8]) && terms.every((m) => m.hit[y[1]] || m.list[y[2]] || m.list[y[3]] || m.hit[y[5]] || m.hit[y[6]] || m.hit[y[7] >> 1] ||
          y[0].toLowerCase().includes(m.term) || (m.offset >= 0 && y[8] === m.offset) || m.words(stateName(y[4])));
      }),
      id: (i) => D.yara[i][0],
      columns: [
        column("id", (i) => D.yara[i][0], (i) => i),
        column("rule", (i) => { const node = el("span", "tag yara"); node.append(bdi(S[D.yara[i][1]])); return node; }, (i) => byString(D.yara[i][1])),
        column("tags", (i) => bdi(L[D.yara[i][2]].map(byString).join(", ")), (i) => L[D.yara[i][2]].map(byString).join()),
        column("path", (i) => pathNode(S[D.yara[i][5]], S[D.yara[i][6]]), (i) => byString(D.yara[i][5])),
        column("state", (i) => w(stateName(D.yara[i][4])), (i) => D.yara[i][4]),
        column("offset", (i) => offsetText(D.yara[i][8]), (i) => (D.yara[i][8] === null ? Infinity : D.yara[i][8]), true),
      ],
      detail: (i) => yaraDetail(i),
    },
    coverage: {
      total: () => D.coverage.length,
      rows: (terms) => all(D.coverage.length).filter((i) => {
        const c = D.coverage[i];
        return (!st.reason || st.reason.split(",").includes(S[c[1]])) &&
          terms.every((m) => m.hit[c[0]] || m.hit[c[1]] || m.list[c[2]] || m.hit[c[3]] || m.hit[c[4]] || m.words(S[c[1]]));
      }),
      id: (i) => "C" + (i + 1),
      columns: [
        column("reason", (i) => el("span", "tag unread", w(S[D.coverage[i][1]])), (i) => byString(D.coverage[i][1])),
        column("path", (i) => pathNode(S[D.coverage[i][0]] || S[D.coverage[i][3]], S[D.coverage[i][4]]), (i) => byString(D.coverage[i][0])),
        column("detail", (i) => bdi(half(L[D.coverage[i][2]])), (i) => half(L[D.coverage[i][2]])),
        column("size", (i) => (D.coverage[i][6] === null ? "—" : bytes(D.coverage[i][6])), (i) => -(D.coverage[i][6] || 0), true),
        column("offset", (i) => offsetText(D.coverage[i][5]), (i) => (D.coverage[i][5] === null ? Infinity : D.coverage[i][5]), true),
      ],
      detail: (i) => coverageDetail(i),
    },
  };
  const half = (numbers) => numbers.filter((_, k) => k % 2 === lang()).map(byString).join("; ");

  /* ---- detail panel ---- */
  const chip = (text, action) => { const node = el("button", "chip", text); node.type = "button"; node.addEventListener("click", action); return node; };
  const goTo = (change) => { const keep = st.id; reset(); st.view = "findings"; change(); st.id = keep; update(); };
  const place = (box, data) => {
    box.append(el("h4", "", w("layers")));
    const chain = el("div", "chain");
    for (const part of data.layers.split("|")) { const item = el("span"); item.append(bdi(part)); chain.append(item); }
    if (data.container) { const item = el("span"); item.append(bdi(data.container)); chain.append(item); }
    box.append(chain);
    const table = el("table"), row = (name, value) => {
      const line = el("tr"), cell = el("td");
      cell.append(value); line.append(el("th", "", name), cell); table.append(line);
    };
    row(w("state"), w(data.state));
    if (data.location) row(w("location"), bdi(data.location));
    if (data.encoding) row(w("encoding"), data.encoding);
    row(w("mediaOffset"), data.offset === null ? w("noPlace") : num(data.offset) + "  " + hex(data.offset));
    if (data.offset !== null) row(w("sector"), num(Math.floor(data.offset / 512)) + " + " + (data.offset % 512));
    if (data.fileOffset !== null) row(w("fileOffset"), num(data.fileOffset) + "  " + hex(data.fileOffset));
    box.append(el("h4", "", w("offset")), table);
    const times = data.times === null ? [] : D.times[data.times];
    if (times.length) {
      box.append(el("h4", "", w("times")));
      const list = el("ul", "stack");
      for (const [name, text, known, raw, ms, precision] of times) {
        const line = el("li"), notes = [];
        line.append(el("span", "muted", w(name === "deleted" ? "deletedTime" : name) + " "), el("span", "num", text));
        if (!known) notes.push(w("zoneUnknown"));
        if (precision > 1000000000) notes.push(w("precision") + " " + precision / 1000000000 + " s");
        if (notes.length) line.append(el("span", "other", " (" + notes.join(", ") + ")"));
        if (raw && raw !== text) { const note = el("div", "other", w("raw") + ": "); note.append(bdi(raw)); line.append(note); }
        list.append(line);
      }
      box.append(list);
    }
  };
  const both = (box, title, numbers) => {
    if (!numbers.length) return;
    box.append(el("h4", "", w(title)));
    const list = el("ul");
    for (let k = 0; k < numbers.length; k += 2) {
      const item = el("li"), other = el("div", "other");
      item.append(bdi(S[numbers[k + lang()]]));
      if (numbers[k] !== numbers[k + 1]) { other.append(bdi(S[numbers[k + 1 - lang()]])); item.append(other); }
      list.append(item);
    }
    box.append(list);
  };
  const offsets = (box, title, values, more) => {
    if (!values.length) return;
    box.append(el("h4", "", w(title) + (more ? " (" + fill("more", { n: num(more) }) + ")" : "")));
    const list = el("ul", "num small");
    for (const [label, value] of values) { const item = el("li"); if (label) item.append(bdi(label), " "); item.append(value === null ? "—" : num(value) + "  " + hex(value)); list.append(item); }
    box.append(list);
  };
  const findingDetail = (i) => {
    const box = el("div"), level = D.confidences[R.confidence[i]];
    box.append(el("p", "big", S[R.masked[i]]));
    const line = el("p"); line.append(tagOf(level), " " + (R.person[i] ? w("personFilter") + "#" + R.person[i] : "")); box.append(line);
    box.append(el("h4", "", w("path")));
    const path = el("p"); path.append(pathNode(S[R.path[i]], S[R.container[i]])); box.append(path);
    both(box, "reasons", L[R.reasons[i]]);
    if (L[R.rivals[i]].length) both(box, "rivals", L[R.rivals[i]]); else box.append(el("h4", "", w("rivals")), w("noRivals"));
    both(box, "facts", L[R.facts[i]]);
    place(box, { layers: layer(R.layers[i], R.path[i]), container: S[R.container[i]], state: stateName(R.state[i]), location: inWords(i), encoding: S[R.encoding[i]],
      offset: R.offset[i], fileOffset: R.file_offset[i], times: R.times[i] });
    offsets(box, "copies", (R.copies[i] || []).map((value) => ["", value]), R.more[i]);
    const links = el("div", "links");
    links.append(chip(w("sameFile"), () => goTo(() => { st.file = R.id[i]; })));
    if (R.person[i]) links.append(chip(w("samePerson"), () => goTo(() => { st.person = String(R.person[i]); })));
    if (R.offset[i] !== null && D.map.bins) links.append(chip(w("near"), () => goTo(() => { pickBin(Math.floor(R.offset[i] / D.map.bin)); })));
    box.append(links);
    return box;
  };
  const yaraDetail = (i) => {
    const y = D.yara[i], box = el("div"), line = el("p");
    const tag = el("span", "tag yara"); tag.append(bdi(S[y[1]])); line.append(tag, " "); line.append(bdi(L[y[2]].map(byString).join(", "))); box.append(line);
    box.append(el("h4", "", w("path")));
    const path = el("p"); path.append(pathNode(S[y[5]], S[y[6]])); box.append(path);
    if (L[y[3]].length) {
      box.append(el("h4", "", w("meta")));
      const list = el("ul"); for (const number of L[y[3]]) { const item = el("li"); item.append(bdi(S[number])); list.append(item); } box.append(list);
    }
    offsets(box, "strings", y[11].map(([name, value]) => [S[name], value]), y[12] > y[11].length ? y[12] : 0);
    place(box, { layers: layer(y[7], y[5]), container: S[y[6]], state: stateName(y[4]), location: "", encoding: "", offset: y[8], fileOffset: y[9], times: y[10] });
    return box;
  };
  const coverageDetail = (i) => {
    const c = D.coverage[i], box = el("div"), line = el("p");
    line.append(el("span", "tag unread", w(S[c[1]]))); box.append(line, el("h4", "", w("path")));
    const path = el("p"); path.append(pathNode(S[c[0]] || S[c[3]], S[c[4]])); box.append(path);
    both(box, "detail", L[c[2]]);
    const table = el("table");
    for (const [name, value] of [["layers", S[c[3]]], ["offset", c[5] === null ? "—" : num(c[5]) + "  " + hex(c[5])], ["size", c[6] === null ? "—" : num(c[6]) + " B"]]) {
      const row = el("tr"), cell = el("td"); cell.append(bdi(value)); row.append(el("th", "", w(name)), cell); table.append(row);
    }
    box.append(el("h4", "", w("details")), table);
    return box;
  };

  /* ---- drawing ---- */
  let rows = [], view = null, selected = -1;
  const body = $("body"), spacer = $("spacer"), grid = $("grid"), detail = $("detail");
  const narrow = matchMedia("(max-width: 640px)");
  const rowHeight = () => (narrow.matches ? 66 : 40);
  const drawRows = () => {
    const h = rowHeight(), top = body.scrollTop, from = Math.max(0, Math.floor(top / h) - 8), to = Math.min(rows.length, Math.ceil((top + body.clientHeight) / h) + 8);
    const fragment = document.createDocumentFragment();
    $("head").style.paddingRight = 16 + body.offsetWidth - body.clientWidth + "px";
    for (let r = from; r < to; r++) {
      const i = rows[r], line = el("div", "row");
      line.setAttribute("role", "row"); line.setAttribute("aria-rowindex", r + 2); line.id = "r" + r; line.dataset.r = r;
      line.style.top = r * h + "px";
      if (r === selected) line.setAttribute("aria-selected", "true");
      for (const c of view.columns) {
        const cell = el("div", "cell c-" + c.key + (c.right ? " right" : "") + (c.key === "path" ? " path" : "")), value = c.get(i);
        cell.setAttribute("role", "gridcell");
        cell.append(value);
        if (cell.textContent.length > 12) cell.title = cell.textContent;
        if (["high", "medium", "low", "persons", "count"].includes(c.key)) cell.dataset.label = w(c.key);
        line.append(cell);
      }
      fragment.append(line);
    }
    spacer.replaceChildren(fragment);
    const firstSeen = rows.length ? Math.floor(top / h) + 1 : 0, lastSeen = Math.min(rows.length, Math.max(firstSeen, Math.floor((top + body.clientHeight) / h)));
    const total = view.total();
    $("where").textContent = (rows.length ? "" : fill("noRows", {})) || fill("rows", { a: num(firstSeen), b: num(lastSeen), n: num(rows.length) }) + (rows.length < total ? " " + fill("of", { t: num(total) }) : "");
    const end = body.scrollHeight - body.clientHeight;
    $("first").disabled = $("prev").disabled = top <= 0;
    $("last").disabled = $("next").disabled = top >= end - 1;
  };
  const showDetail = () => {
    const open = selected >= 0 && view.detail;
    detail.hidden = !open;
    $("explore").classList.toggle("open", Boolean(open));
    if (!open) return;
    $("detail-title").textContent = w("details") + " " + view.id(rows[selected]);
    $("detail-body").replaceChildren(view.detail(rows[selected]));
    detail.scrollTop = 0;
  };
  const select = (r, scroll) => {
    selected = r;
    st.id = r >= 0 ? view.id(rows[r]) : "";
    if (r >= 0) body.setAttribute("aria-activedescendant", "r" + r); else body.removeAttribute("aria-activedescendant");
    if (scroll && r >= 0) {
      const h = rowHeight();
      if (r * h < body.scrollTop) body.scrollTop = r * h;
      else if ((r + 1) * h > body.scrollTop + body.clientHeight) body.scrollTop = (r + 1) * h - body.clientHeight;
    }
    showDetail(); drawRows(); writeHash();
  };
  const openRow = (r) => { if (view.open) { view.open(rows[r]); update(); $("explorer").scrollIntoView(); } else select(r, true); };
  const sortRows = () => {
    const key = st.sort.replace(/^-/, ""), c = view.columns.find((item) => item.key === key);
    if (!c) return;
    const sign = st.sort.startsWith("-") ? -1 : 1, keys = new Map(rows.map((i) => [i, c.sort(i)]));
    rows.sort((a, b) => { 
      const x = keys.get(a), y = keys.get(b);
      if (x === Infinity || y === Infinity) return x === y ? a - b : x === Infinity ? 1 : -1; // no place: last in both directions
      return x < y ? -sign : x > y ? sign : a - b;
    });
  };
  const reset = () => { for (const key of ["q", "confidence", "state", "reason", "file", "person", "from", "to", "sort", "id"]) st[key] = ""; };
  const toggle = (key, name) => {
    const set = new Set(st[key] ? st[key].split(",") : []);
    if (set.has(name)) set.delete(name); else set.add(name);
    st[key] = [...set].join(","); st.id = ""; update();
  };
  const drawChips = () => {
    const box = $("chips"); box.replaceChildren();
    const put = (key, name, count) => {
      const node = chip("", () => toggle(key, name)); node.textContent = w(name);
      node.append(el("span", "n", num(count))); node.setAttribute("aria-pressed", (st[key] || "").split(",").includes(name)); node.dataset.filter = key + "=" + name; box.append(node);
    };
    const tally = (n, get) => { const counts = new Map(); for (let i = 0; i < n; i++) { const name = get(i); counts.set(name, (counts.get(name) || 0) + 1); } return counts; };
    if (st.view === "findings") {
      const level = tally(N, (i) => D.confidences[R.confidence[i]]), where = tally(N, (i) => stateName(R.state[i]));
      for (const name of D.confidences) if (level.has(name)) put("confidence", name, level.get(name));
      for (const name of D.states) if (where.has(name)) put("state", name, where.get(name));
    } else if (st.view === "yara") {
      const where = tally(D.yara.length, (i) => stateName(D.yara[i][4]));
      for (const name of D.states) if (where.has(name)) put("state", name, where.get(name));
    } else if (st.view === "coverage") {
      for (const [name, count] of tally(D.coverage.length, (i) => S[D.coverage[i][1]])) put("reason", name, count);
    }
    const fixed = (text, keys) => { const node = chip(text + " ×", () => { for (const key of keys) st[key] = ""; update(); }); node.classList.add("fixed"); box.append(node); };
    if (st.file && ids.has(st.file) && st.view === "findings") fixed(w("fileFilter") + S[R.path[ids.get(st.file)]], ["file"]);
    if (st.person && st.view === "findings") fixed(w("personFilter") + "#" + st.person, ["person"]);
    if (st.to) fixed(w("rangeFilter") + hex(Number(st.from || 0)) + "–" + hex(Number(st.to) - 1), ["from", "to"]);
    if (st.q || st.confidence || st.state || st.reason) box.append(chip(w("clear"), () => { const keep = st.view; reset(); st.view = keep; update(); }));
  };
  const drawHead = () => {
    const head = $("head"); head.replaceChildren();
    for (const c of view.columns) {
      const cell = el("div", "c-" + c.key + (c.right ? " right" : "")), button = el("button", "", w(c.key)); cell.setAttribute("role", "columnheader"); button.type = "button";
      const on = st.sort.replace(/^-/, "") === c.key;
      if (on) button.dataset.dir = st.sort.startsWith("-") ? "-1" : "1";
      cell.setAttribute("aria-sort", on ? (st.sort.startsWith("-") ? "descending" : "ascending") : "none");
      button.addEventListener("click", () => { st.sort = st.sort === c.key ? "-" + c.key : st.sort === "-" + c.key ? "" : c.key; update(); });
      cell.append(button); head.append(cell);
    }
  };
  const drawPick = () => {
    for (const lane of document.querySelectorAll("svg.lane.live")) {
      for (const old of lane.querySelectorAll(".pick")) old.remove();
      if (!st.to || !D.map.bins) continue;
      const span = D.map.bins * D.map.bin, mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      mark.setAttribute("class", "pick"); mark.setAttribute("x", (100 * Number(st.from || 0)) / span + "%"); mark.setAttribute("y", "0"); mark.setAttribute("height", "26");
      mark.setAttribute("width", (100 * (Number(st.to) - Number(st.from || 0))) / span + "%"); lane.append(mark);
    }
  };
  const update = () => {
    view = VIEWS[st.view];
    for (const tab of document.querySelectorAll("[data-view]")) tab.setAttribute("aria-selected", tab.dataset.view === st.view);
    for (const node of document.querySelectorAll("[data-lang]")) node.setAttribute("aria-pressed", node.dataset.lang === document.documentElement.lang);
    for (const node of document.querySelectorAll("[data-word]")) node.textContent = w(node.dataset.word);
    for (const [key, total] of Object.entries({ findings: N, files: filesOf().length, persons: personsOf().length, yara: D.yara.length, coverage: D.coverage.length })) $("n-" + key).textContent = num(total);
    const input = $("q"); input.placeholder = w("search"); input.setAttribute("aria-label", w("searchShort")); if (input.value !== st.q) input.value = st.q;
    $("close").setAttribute("aria-label", w("close"));
    const terms = st.q.split(/\s+/).filter(Boolean).map((term) => matcher(fold(term)));
    rows = view.rows(terms); sortRows();
    grid.className = "grid " + st.view;
    const table = $("table"); table.setAttribute("aria-rowcount", rows.length + 1); table.setAttribute("aria-colcount", view.columns.length);
    Object.assign($("explorer").dataset, { shown: rows.length, total: view.total() });
    spacer.style.height = rows.length * rowHeight() + "px";
    body.style.maxHeight = rows.length * rowHeight() + 4 + "px";
    $("empty").hidden = rows.length > 0; body.hidden = rows.length === 0;
    $("empty").textContent = view.total() ? w("none") : w(st.view === "yara" ? "noYara" : st.view === "coverage" ? "noCoverage" : "noFindings");
    drawHead(); drawChips(); drawPick();
    const wanted = st.id && view.detail ? rows.findIndex((i) => view.id(i) === st.id) : -1;
    selected = wanted;
    const h = rowHeight();
    body.scrollTop = wanted >= 0 ? Math.max(0, wanted * h - h * 3) : 0;
    showDetail(); drawRows(); writeHash();
  };
  const pickBin = (index) => { st.from = String(index * D.map.bin); st.to = String((index + 1) * D.map.bin); };

  /* ---- events ---- */
  let waiting = 0;
  body.addEventListener("scroll", () => { if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; drawRows(); }); }, { passive: true });
  spacer.addEventListener("click", (event) => { const line = event.target.closest(".row"); if (line && !String(getSelection())) openRow(Number(line.dataset.r)); });
  body.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(body.clientHeight / rowHeight()) - 1), end = rows.length - 1;
    const to = { ArrowDown: selected + 1, ArrowUp: selected - 1, PageDown: selected + page, PageUp: selected - page, Home: 0, End: end }[event.key];
    if (to !== undefined) { event.preventDefault(); select(Math.min(end, Math.max(0, to)), true); }
    else if (event.key === "Enter" && selected >= 0) openRow(selected);
    else if (event.key === "Escape") select(-1);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !detail.hidden) select(-1); });
  let typing = 0;
  $("q").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { st.q = $("q").value; st.id = ""; update(); }, 150); });
  $("close").addEventListener("click", () => select(-1));
  const scrollPage = (sign) => { body.scrollTop += sign * Math.max(1, Math.floor(body.clientHeight / rowHeight())) * rowHeight(); drawRows(); };
  $("first").addEventListener("click", () => { body.scrollTop = 0; drawRows(); });
  $("last").addEventListener("click", () => { body.scrollTop = body.scrollHeight; drawRows(); });
  $("prev").addEventListener("click", () => scrollPage(-1));
  $("next").addEventListener("click", () => scrollPage(1));
  for (const tab of document.querySelectorAll("[data-view]")) tab.addEventListener("click", () => { reset(); st.view = tab.dataset.view; update(); });
  for (const node of document.querySelectorAll("[data-lang]")) node.addEventListener("click", () => { document.documentElement.lang = st.lang = node.dataset.lang; update(); });
  $("theme").addEventListener("click", () => { const root = document.documentElement; st.theme = root.dataset.theme === "dark" ? "light" : "dark"; root.dataset.theme = st.theme; writeHash(); });
  for (const lane of document.querySelectorAll("svg.lane.live")) {
    lane.addEventListener("click", (event) => {
      const box = lane.getBoundingClientRect(), index = Math.min(D.map.bins - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * D.map.bins)));
      reset(); st.view = "findings"; st.state = lane.dataset.lane; pickBin(index); update();
      if (!rows.length) { st.view = "yara"; update(); }
      $("explorer").scrollIntoView();
    });
  }
  for (const link of document.querySelectorAll('a[href^="#"]')) link.addEventListener("click", (event) => { event.preventDefault(); document.querySelector(link.getAttribute("href")).scrollIntoView({ behavior: "smooth" }); });
  narrow.addEventListener("change", update);
  addEventListener("resize", () => { if (view) drawRows(); });
  addEventListener("hashchange", () => { readHash(); update(); });
  const PRINTED = 1000;
  const fillPrint = () => {
    const box = $("print"), table = el("table"), head = el("thead"), line = el("tr"), list = el("tbody");
    for (const c of view.columns) line.append(el("th", c.right ? "right" : "", w(c.key)));
    head.append(line);
    for (const i of rows.slice(0, PRINTED)) {
      const row = el("tr");
      for (const c of view.columns) { const cell = el("td", "c-" + c.key + (c.right ? " right" : "")); cell.append(c.get(i)); row.append(cell); }
      list.append(row);
    }
    table.append(head, list);
    box.replaceChildren(table);
    if (rows.length > PRINTED) box.prepend(el("p", "", fill("printed", { n: num(rows.length), m: num(PRINTED) })));
    if (!rows.length) box.replaceChildren(el("p", "", $("empty").textContent));
  };
  addEventListener("beforeprint", fillPrint);

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const followSystem = () => { if (!st.theme) document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", followSystem);
  readHash(); followSystem(); update();
})();
