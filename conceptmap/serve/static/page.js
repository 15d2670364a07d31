"use strict";
// The page of conceptmap serve. Notes stay in this page and in the answers of its own server; nothing is stored.

const at = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const ROLES = ["principal", "secondary", "symptom", "status", "history", "external"];
const ROLE_NAMES = { principal: "Principal diagnosis", secondary: "Secondary diagnoses", symptom: "Symptoms", status: "Status",
  history: "History", external: "External causes", added: "Added by you" };
const EXAMPLE = "Chief complaint: chest pain\n\nHPI: 63-year-old man with type 2 diabetes and hypertension, admitted with an NSTEMI. " +
  "No fever or cough. His father had colon cancer.\n\nPMH: atrial fibrillation on apixaban, appendectomy in 1998.\n\n" +
  "Assessment: NSTEMI, possible pneumonia. Type 2 diabetes with CKD stage 3a.";
const notes = new Map();     // note_id -> { text, answer, raw, verdicts: Map(key -> {…, accept}) }
let current = null;          // the note that is shown
let units = [];              // what can be pointed at: { node, start, end, concepts, mention }
let pinned = false;

function make(name, attributes = {}, ...content) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...content.filter((part) => part !== null && part !== undefined && part !== ""));
  return node;
}

function tell(words, wrong = false) {
  at("said").textContent = words;
  at("said").classList.toggle("wrong", wrong);
}

async function ask(path, body, type = "application/json") {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = type;
  const given = body === undefined || type !== "application/json" ? body : JSON.stringify(body);
  const reply = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: given });
  if (!reply.ok) throw new Error((await reply.json().catch(() => ({}))).error || `the server answered ${reply.status}`);
  return reply;
}

// -- notes in ---------------------------------------------------------------------------------------------------------

async function explain(noteId) {
  const note = notes.get(noteId);
  tell("reading …");
  const began = performance.now();
  if (!note.answer) note.answer = await (await ask("api/annotate", { text: note.text })).json();
  for (const code of note.answer.codes) {
    const key = keyOf(code);
    if (!note.verdicts.has(key)) note.verdicts.set(key, { ...code, accept: "" });
  }
  current = noteId;
  at("shown").hidden = false;
  at("title").textContent = notes.size > 1 ? noteId : "Note";
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  tell(`${note.answer.mentions.length} mentions, ${note.answer.codes.length} codes in ${seconds} s`);
  fillFilters(note.answer);
  await show();
}

function take(found) {
  notes.clear();
  for (const { note_id, text } of found) notes.set(note_id, { text, answer: null, raw: null, verdicts: new Map() });
  at("note").replaceChildren(...found.map(({ note_id }) => make("option", { value: note_id }, note_id)));
  at("pick").hidden = found.length < 2;
}

async function openFile(file) {
  tell(`opening ${file.name} …`);
  const reply = await ask(`api/notes?name=${encodeURIComponent(file.name)}`, file, "application/octet-stream");
  const found = (await reply.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  if (!found.length) throw new Error("the file holds no note");
  take(found);
  at("given").value = found.length === 1 ? found[0].text : "";
  await explain(found[0].note_id);
}

// -- the note, word by word -------------------------------------------------------------------------------------------

const keyOf = (code) => `${code.system} ${code.code}`;

function lookOf(mention) {
  if (mention.subject && mention.subject !== "patient") return "family";
  if (mention.negated) return "no";
  if (mention.temporality === "historical") return "past";
  if (mention.temporality === "hypothetical" || (mention.certainty && mention.certainty !== "certain")) return "maybe";
  return "yes";
}

function unitsOf(answer) {
  const mentions = [...answer.mentions].sort((a, b) => a.start - b.start || b.end - a.end);
  const found = [];
  let end = 0;
  for (const mention of mentions) {
    if (mention.start < end) {             // inside a longer one, whose explanation shows it too
      const outer = found[found.length - 1];
      outer.mentions.push(mention);
      continue;
    }
    found.push({ start: mention.start, end: mention.end, mentions: [mention], look: lookOf(mention) });
    end = mention.end;
  }
  const taken = new Set(found.flatMap((unit) => Array.from({ length: unit.end - unit.start }, (_, i) => unit.start + i)));
  for (const word of answer.words) {
    if (!taken.has(word.start)) found.push({ start: word.start, end: word.end, mentions: [], look: "word", concepts: word.concepts });
  }
  return found.sort((a, b) => a.start - b.start);
}

async function show() {
  const note = notes.get(current);
  hideWhy();
  if (at("raw").checked) {
    if (!note.raw) note.raw = (await (await ask("api/nearest", { text: note.text })).json()).tokens;
    units = note.raw.map((token) => ({ ...token, mentions: [], look: "word" }));
  } else {
    units = unitsOf(note.answer);
  }
  const points = Array.from(note.text);    // offsets count code points
  const parts = [];
  let end = 0;
  units.forEach((unit, number) => {
    parts.push(points.slice(end, unit.start).join(""));
    unit.text = points.slice(unit.start, unit.end).join("");
    unit.node = make("span", { class: `unit ${unit.look}`, tabindex: number ? "-1" : "0", role: "button" }, unit.text);
    unit.node.addEventListener("mouseenter", () => { if (!pinned && !narrow()) showWhy(unit); });
    unit.node.addEventListener("focus", () => { roving(unit); if (unit.node.matches(":focus-visible")) hold(unit); });
    unit.node.addEventListener("click", () => hold(unit));
    parts.push(unit.node);
    end = unit.end;
  });
  parts.push(points.slice(end).join(""));
  at("text").replaceChildren(...parts);
  filter();
}

function roving(unit) {
  for (const other of units) other.node.tabIndex = other === unit ? 0 : -1;
}

function step(by) {
  const seen = units.filter((unit) => !unit.node.classList.contains("off"));
  const from = seen.findIndex((unit) => unit.node === document.activeElement);
  const to = seen[Math.min(Math.max(from + by, 0), seen.length - 1)];
  if (to) to.node.focus();
}

const narrow = () => matchMedia("(max-width: 56rem)").matches;  // the explanation covers the lower part of the page

function hold(unit) {
  pinned = true;
  showWhy(unit);
  if (narrow()) unit.node.scrollIntoView({ block: "center" });
}

// -- why --------------------------------------------------------------------------------------------------------------

function figures(concept) {
  const parts = [];
  if (concept.confidence !== null && concept.confidence !== undefined) {
    parts.push(make("meter", { min: 0, max: 1, value: concept.confidence, "aria-hidden": "true" }), ` confidence ${concept.confidence.toFixed(2)}`);
  }
  if (concept.cosine !== null && concept.cosine !== undefined) parts.push(`${parts.length ? " · " : ""}cosine ${concept.cosine.toFixed(2)}`);
  if (concept.why) parts.push(` · ${concept.why}`);
  return make("span", { class: "figures" }, ...parts);
}

function conceptLine(concept) {
  const path = make("span", { class: "path" });
  const line = make("li", {}, make("span", { class: "code" }, concept.code), " ", concept.name, " ",
    systems() > 1 ? make("span", { class: "soft small" }, concept.system) : "",
    make("button", { type: "button", class: "small", onclick: () => addCode(concept), "aria-label": `Add ${concept.code}` }, "add"),
    figures(concept), path);
  pathOf(concept).then((found) => { path.textContent = found; });
  return line;
}

const paths = new Map();     // key -> promise of the path in words, asked for once

function pathOf(concept) {
  const key = keyOf(concept);
  if (!paths.has(key)) {
    paths.set(key, ask(`api/concepts/${encodeURIComponent(concept.system)}/${encodeURIComponent(concept.code)}`)
      .then((reply) => reply.json())
      .then((found) => found.path.map(([code, name]) => `${code} ${name}`).join(" › "))
      .catch(() => { paths.delete(key); return ""; }));
  }
  return paths.get(key);
}

const systems = () => at("system").options.length - 1;

function contextOf(mention) {
  const facts = [];
  if (mention.negated) facts.push("denied");
  if (mention.subject && mention.subject !== "patient") facts.push(`of ${mention.subject}`);
  if (mention.temporality && mention.temporality !== "current" && mention.temporality !== "recent") facts.push(mention.temporality);
  if (mention.certainty && mention.certainty !== "certain") facts.push(mention.certainty);
  if (mention.section) facts.push(`in ${mention.section}`);
  return facts.join(" · ");
}

function showWhy(unit) {
  const wanted = at("system").value;
  const chosen = (concepts) => concepts.filter((concept) => !wanted || concept.system === wanted);
  const parts = [];
  for (const mention of unit.mentions) {
    parts.push(make("h2", {}, `“${mention.text}”`), make("p", { class: "soft small" }, contextOf(mention)),
      make("ol", {}, ...chosen(mention.concepts).map(conceptLine)));
  }
  if (!unit.mentions.length) {
    parts.push(make("h2", {}, `“${unit.text}”`), make("p", { class: "soft small" },
      at("raw").checked ? "this token's own vector, wherever it stands" : "no mention; the nearest concepts of the word"),
    make("ol", {}, ...chosen(unit.concepts).map(conceptLine)));
  }
  at("because").replaceChildren(...parts);
  at("why").classList.remove("empty");
  for (const other of units) other.node.classList.toggle("at", other === unit);
}

function hideWhy() {
  pinned = false;
  at("why").classList.add("empty");
  at("because").replaceChildren(make("p", { class: "soft small" }, "The word at the pointer is explained here."));
  for (const unit of units) unit.node.classList.remove("at");
}

// -- codes ------------------------------------------------------------------------------------------------------------

function showCodes() {
  const note = notes.get(current);
  const section = at("section").value, system = at("system").value;
  const groups = new Map();
  for (const [key, code] of note.verdicts) {
    if ((system && code.system !== system) || (section && code.section !== section)) continue;
    const role = code.added ? "added" : ROLES.find((one) => (code.role || "secondary").startsWith(one)) || "secondary";
    if (!groups.has(role)) groups.set(role, []);
    groups.get(role).push(codeLine(key, code));
  }
  const parts = [];
  for (const role of [...ROLES, "added"]) {
    if (groups.has(role)) parts.push(make("h3", {}, ROLE_NAMES[role]), make("ul", {}, ...groups.get(role)));
  }
  at("codes").replaceChildren(...(parts.length ? parts : [make("p", { class: "soft" }, "No code.")]));
  const first = at("codes").querySelector("li");
  if (first) first.tabIndex = 0;
}

function codeLine(key, code) {
  const judge = (accept, sign, label) => make("button", { type: "button", tabindex: "-1", "aria-label": `${label} ${code.code}`,
    "aria-pressed": String(code.accept === accept), onclick: (event) => { event.stopPropagation(); verdict(key, accept); } }, sign);
  const sure = code.probability ?? code.score;
  const more = [code.text, code.section && `in ${code.section}`, typeof sure === "number" && `${code.probability === null ? "score" : "probability"} ${sure.toFixed(2)}`,
    code.billable === false && "not billable", code.notes].filter(Boolean).join(" · ");
  const line = make("li", { tabindex: "-1", class: code.accept === "yes" ? "accepted" : code.accept === "no" ? "rejected" : "", "data-key": key },
    make("span", { class: "code" }, code.code), make("span", { class: "name" }, code.name),
    make("span", { class: "judge" }, judge("yes", "✓", "Accept"), judge("no", "✗", "Reject")), make("span", { class: "more" }, more));
  line.addEventListener("click", () => { line.focus(); light(code); });
  line.addEventListener("focus", () => {
    for (const other of at("codes").querySelectorAll("li")) { other.classList.toggle("at", other === line); other.tabIndex = other === line ? 0 : -1; }
  });
  return line;
}

function verdict(key, accept) {
  const code = notes.get(current).verdicts.get(key);
  code.accept = code.accept === accept ? "" : accept;
  showCodes();
  const line = [...at("codes").querySelectorAll("li")].find((one) => one.dataset.key === key);
  if (line) line.focus();
}

function light(code) {
  const ids = new Set(code.evidence || []);
  let first = null;
  for (const unit of units) {
    const lit = unit.mentions.some((mention) => ids.has(mention.id));
    unit.node.classList.toggle("lit", lit);
    if (lit && !first) first = unit;
  }
  if (first) first.node.scrollIntoView({ block: "center", behavior: "smooth" });
}

function addCode(concept) {
  const verdicts = notes.get(current).verdicts, key = keyOf(concept);
  if (verdicts.has(key)) verdicts.get(key).accept = "yes";
  else verdicts.set(key, { system: concept.system, code: concept.code, name: concept.name, role: "", accept: "yes", added: true, evidence: [], probability: null, score: null });
  showCodes();
  tell(`${concept.code} is accepted`);
}

async function search(event) {
  event.preventDefault();
  const query = at("query").value.trim();
  if (!query) return;
  const wanted = at("system").value ? `&system=${encodeURIComponent(at("system").value)}` : "";
  const found = (await (await ask(`api/search?q=${encodeURIComponent(query)}${wanted}`)).json()).concepts;
  at("hits").replaceChildren(...(found.length ? found.map((concept) => make("li", {}, make("button", { type: "button", onclick: () => addCode(concept) },
    make("span", { class: "code" }, concept.code), ` ${concept.name}`))) : [make("li", { class: "soft" }, "Nothing found.")]));
}

// -- filters ----------------------------------------------------------------------------------------------------------

function fillFilters(answer) {
  const options = (all, values) => [make("option", { value: "" }, all), ...[...new Set(values)].filter(Boolean).map((value) => make("option", { value }, value))];
  at("section").replaceChildren(...options("all", answer.mentions.map((mention) => mention.section)));
  at("system").replaceChildren(...options("all", facts.systems.map((one) => one.system)));
  at("of-system").hidden = facts.systems.length < 2;
}

function filter() {
  const system = at("system").value, section = at("section").value, least = Number(at("least").value);
  at("least-said").value = least.toFixed(2);
  for (const unit of units) {
    const concepts = unit.mentions.length ? unit.mentions.flatMap((mention) => mention.concepts) : unit.concepts;
    const near = concepts.some((one) => (!system || one.system === system) && (one.confidence ?? one.cosine ?? 1) >= least);
    const here = !section || unit.mentions.some((mention) => mention.section === section);
    unit.node.classList.toggle("off", !(near && here));
  }
  showCodes();
}

// -- reviewed codes out -----------------------------------------------------------------------------------------------

const COLUMNS = ["note_id", "system", "code", "name", "role", "accept", "text"];

function reviewed() {
  const rows = [];
  for (const [note_id, note] of notes) {
    for (const code of note.verdicts.values()) rows.push({ note_id, ...code });
  }
  return rows.map((row) => Object.fromEntries(COLUMNS.map((name) => [name, row[name] ?? ""])));
}

function download(name, data, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([data], { type })), download: name });
  document.body.append(link);
  link.click();
  setTimeout(() => { URL.revokeObjectURL(link.href); link.remove(); }, 1000);
}

function csv() {
  const cell = (value) => /[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  const lines = [COLUMNS, ...reviewed().map((row) => COLUMNS.map((name) => row[name]))];
  download("reviewed.csv", lines.map((line) => line.map(cell).join(",") + "\r\n").join(""), "text/csv;charset=utf-8");
}

async function workbook() {
  const reply = await ask("api/workbook", { codes: reviewed() });
  download("reviewed.xlsx", await reply.arrayBuffer(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
}

// -- events -----------------------------------------------------------------------------------------------------------

const careful = (work) => async (...given) => {
  try { await work(...given); } catch (error) { tell(error.message, true); }
};

function keys(event) {
  const typing = event.target.matches("textarea, input, select");
  if (event.key === "Escape") { hideWhy(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || at("shown").hidden) return;
  const inText = at("text").contains(document.activeElement);
  const line = document.activeElement.closest("#codes li");
  if (inText && (event.key === "ArrowRight" || event.key === "ArrowDown")) step(1);
  else if (inText && (event.key === "ArrowLeft" || event.key === "ArrowUp")) step(-1);
  else if (event.key === "j" || event.key === "k") {
    const lines = [...at("codes").querySelectorAll("li")];
    const next = lines[Math.min(Math.max(lines.indexOf(line) + (event.key === "j" ? 1 : -1), 0), lines.length - 1)];
    if (next) next.focus();
  } else if (line && event.key === "Enter") light(notes.get(current).verdicts.get(line.dataset.key));
  else if (line && event.key === "a") verdict(line.dataset.key, "yes");
  else if (line && event.key === "r") verdict(line.dataset.key, "no");
  else return;
  event.preventDefault();
}

let facts = { systems: [] };
at("ask").addEventListener("submit", careful(async (event) => {
  event.preventDefault();
  take([{ note_id: "note", text: at("given").value }]);
  await explain("note");
}));
at("example").addEventListener("click", () => { at("given").value = EXAMPLE; at("ask").requestSubmit(); });
at("file").addEventListener("change", careful(async () => { if (at("file").files[0]) await openFile(at("file").files[0]); }));
at("note").addEventListener("change", careful(() => explain(at("note").value)));
at("raw").addEventListener("change", careful(show));
for (const id of ["system", "section", "least"]) at(id).addEventListener("input", filter);
at("close").addEventListener("click", hideWhy);
at("find").addEventListener("submit", careful(search));
at("csv").addEventListener("click", careful(csv));
at("book").addEventListener("click", careful(workbook));
document.addEventListener("keydown", keys);
document.addEventListener("click", (event) => { if (!event.target.closest(".unit, #why, #right")) hideWhy(); });
at("text").addEventListener("mouseleave", () => { if (!pinned) hideWhy(); });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("drop"); });
document.addEventListener("dragleave", () => document.body.classList.remove("drop"));
document.addEventListener("drop", careful(async (event) => {
  event.preventDefault();
  document.body.classList.remove("drop");
  if (event.dataTransfer.files[0]) await openFile(event.dataTransfer.files[0]);
}));
careful(async () => {
  facts = await (await ask("api/health")).json();
  const named = facts.systems.map((one) => `${one.system} ${one.release}`).join(", ");
  at("facts").textContent = `${named} · ${facts.encoder ? `encoder ${facts.encoder}` : "words alone, no vectors"}`;
  at("raw").disabled = !facts.encoder;
})();
