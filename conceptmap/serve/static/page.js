"use strict";
// The page of conceptmap serve. Notes stay in this page and in the answers of its own server; nothing is stored. The
// server draws notes by the templates of the report, and note.js is what can be done with them there, too.

const at = (id) => document.getElementById(id);
const { all, make } = notes;
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const EXAMPLE = "Chief complaint: chest pain\n\nHPI: 63-year-old man with type 2 diabetes and hypertension, admitted with an NSTEMI. " +
  "No fever or cough. His father had colon cancer.\n\nPMH: atrial fibrillation on apixaban, appendectomy in 1998.\n\n" +
  "Assessment: NSTEMI, possible pneumonia. Type 2 diabetes with CKD stage 3a.";
const given = new Map();     // note_id -> { text, answer, article, words }: what was asked and how it is shown
let current = null;          // the note that is shown
let facts = { systems: [] };

function tell(words, wrong = false, where = "said") {
  at(where).textContent = words;
  at(where).classList.toggle("wrong", wrong);
}

async function ask(path, body, type = "application/json") {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = type;
  const sent = body === undefined || type !== "application/json" ? body : JSON.stringify(body);
  const reply = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: sent });
  if (!reply.ok) throw new Error((await reply.json().catch(() => ({}))).error || `the server answered ${reply.status}`);
  return reply;
}

// -- notes in ---------------------------------------------------------------------------------------------------------

// What the templates drew, in which everything of a note is escaped; this page's policy lets nothing in it run.
const drawn = (html) => document.importNode(new DOMParser().parseFromString(html, "text/html").body.firstElementChild, true);

async function explain(noteId) {
  const note = given.get(noteId);
  tell("reading …");
  const began = performance.now();
  if (!note.answer) {
    note.answer = await (await ask("api/annotate", { text: note.text, note_id: noteId, html: true })).json();
    note.article = drawn(note.answer.html);
    notes.take(note.article);
  }
  current = note;
  at("shown").hidden = false;
  at("article").replaceChildren(note.article);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  tell(`${note.answer.mentions.length} mentions, ${note.answer.codes.length} codes in ${seconds} s`);
  fillFilters(note.answer);
  await showWords();
}

function take(found, beside = false) {
  if (!beside) given.clear();
  for (const { note_id, text } of found) {
    if (given.get(note_id)?.text !== text) given.set(note_id, { text, answer: null, article: null, words: {} });
  }
  at("note").replaceChildren(...[...given.keys()].map((noteId) => make("option", { value: noteId }, noteId)));
  at("pick").hidden = given.size < 2;
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

/** The mentions, or every token by itself, in the place of the note's text. */
async function showWords() {
  const note = current, raw = at("raw").checked;
  note.words.mentions ??= note.article.querySelector(".text");
  if (raw && !note.words.raw) {
    note.words.raw = drawn((await (await ask("api/nearest", { text: note.text, html: true })).json()).html);
    const first = note.words.raw.querySelector(".w");
    if (first) first.tabIndex = 0;
  }
  note.article.querySelector(".text").replaceWith(raw ? note.words.raw : note.words.mentions);
  filter();
}

// -- filters ----------------------------------------------------------------------------------------------------------

function fillFilters(answer) {
  const options = (first, values) => [make("option", { value: "" }, first), ...[...new Set(values)].filter(Boolean).map((value) => make("option", { value }, value))];
  at("section").replaceChildren(...options("all", answer.mentions.map((mention) => mention.section)));
  at("system").replaceChildren(...options("all", facts.systems.map((one) => one.system)));
  at("of-system").hidden = facts.systems.length < 2;
}

function filter() {
  const system = at("system").value, section = at("section").value, least = Number(at("least").value);
  at("least-said").value = least.toFixed(2);
  const sections = new Map(current.answer.mentions.map((mention) => [`${mention.start}-${mention.end}`, mention.section]));
  for (const mark of all(".text .k", current.article)) {
    const said = all(".pop > b", mark);
    const here = !section || said.some((one) => sections.get(one.dataset.at) === section);
    const near = all(".cand .s", mark).some((one) => Number(one.textContent) >= least);
    mark.classList.toggle("off-filter", !(here && near && (!system || said.some((one) => one.dataset.system === system))));
  }
  const codes = new Map(current.answer.codes.map((code) => [`${code.system} ${code.code}`, code]));
  for (const row of all(".code", current.article)) {
    const code = codes.get(`${row.dataset.system} ${notes.codeOf(row)}`);
    row.hidden = Boolean((system && row.dataset.system !== system) || (section && code && code.section !== section));
  }
  for (const group of all(".group, .codes ul", current.article)) {
    group.hidden = !group.querySelector(".code:not([hidden])") && !group.closest(".more");
    if (group.previousElementSibling?.tagName === "H4") group.previousElementSibling.hidden = group.hidden;
  }
}

// -- codes ------------------------------------------------------------------------------------------------------------

async function search(event) {
  event.preventDefault();
  const query = at("query").value.trim();
  if (!query) return;
  const wanted = at("system").value ? `&system=${encodeURIComponent(at("system").value)}` : "";
  const found = (await (await ask(`api/search?q=${encodeURIComponent(query)}${wanted}`)).json()).concepts;
  const hit = (concept) => {
    const button = make("button", { type: "button" }, make("span", { class: "c" }, concept.code), ` ${concept.name}`);
    button.addEventListener("click", () => notes.add(current.article, concept));
    return make("li", {}, button);
  };
  at("hits").replaceChildren(...(found.length ? found.map(hit) : [make("li", { class: "soft" }, "Nothing found.")]));
}

/** The notes looked at, as they were answered, with what was decided; codes that were added have no mention. */
function reviewed() {
  return [...given].filter(([, note]) => note.answer).map(([note_id, { text, answer, article }]) => {
    const known = new Map(answer.codes.map((code) => [`${code.system} ${code.code}`, code]));
    const codes = all(".code", article).map((row) => ({ ...known.get(`${row.dataset.system} ${notes.codeOf(row)}`), ...notes.record(row) }));
    return { note_id, text, mentions: answer.mentions, codes };
  });
}

async function download(path, name) {
  const data = await (await ask(path, { notes: reviewed() })).blob();
  const link = make("a", { href: URL.createObjectURL(data), download: name });
  document.body.append(link);
  link.click();
  setTimeout(() => { URL.revokeObjectURL(link.href); link.remove(); }, 1000);
}

// -- notes of the index ----------------------------------------------------------------------------------------------

/** What a token of the query and a token of the note both stand for. */
function both(part) {
  const concept = part.ancestor ? `${part.shared.includes(part.ancestor) ? "" : "both under "}${part.ancestor} ${part.ancestor_name}` : "";
  return [concept, part.negated ? "denied" : ""].filter(Boolean).join("; ");
}

function why({ parts, score, note_id }) {
  const row = (name, cells) => make("tr", {}, ...cells.map((cell, column) => make(name, { class: column === 2 ? "n" : null, scope: name === "th" ? "col" : null }, cell)));
  const rows = parts.map((part) => row("td", [part.query_token, part.note_token ?? "–", part.score.toFixed(3), both(part)]));
  const head = make("thead", {}, row("th", ["Query", "Note", "Cosine", "Both stand for"]));
  const sum = make("tfoot", {}, row("td", ["sum", "", score.toFixed(3), ""]));
  const table = make("table", { "aria-label": `Why ${note_id} was found` }, head, make("tbody", {}, ...rows), sum);
  return make("details", {}, make("summary", {}, "Why"), make("div", { class: "wide" }, table));
}

const BARE_CODE = /^(?:[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?|\d{6,18})$/;     // of ICD-10-CM, of SNOMED CT
const isCode = (words) => BARE_CODE.test(words) || facts.systems.some(({ system }) => words.startsWith(`${system}:`) && !/\s/.test(words));
const listed = (words) => words.split(/[\s,;]+/).filter(Boolean);

function scores({ score, words, fused }) {
  const told = [`score ${score.toFixed(3)}`, words === null ? "" : `words ${words.toFixed(2)}`, fused === null ? "" : `both ${fused.toFixed(4)}`];
  return told.filter(Boolean).join(" · ");
}

/** The passage in pieces, those that answer the query marked. Places count code points. */
function marked({ passage, start, parts }) {
  const letters = [...passage], pieces = [];
  const spans = parts.filter((part) => part.start !== null).map((part) => [part.start - start, part.end - start]).sort((a, b) => a[0] - b[0]);
  let done = 0;
  for (const [begin, end] of spans) {
    if (begin < done || end > letters.length) continue;
    pieces.push(letters.slice(done, begin).join(""), make("mark", {}, letters.slice(begin, end).join("")));
    done = end;
  }
  return [...pieces, letters.slice(done).join("")];
}

async function openFound(noteId) {
  const note = await (await ask("api/indexed-note", { note_id: noteId })).json();
  take([note], true);      // what was decided about other notes stays
  at("note").value = noteId;
  at("given").value = note.text;
  await explain(noteId);
  at("shown").focus();
}

async function seek(event) {
  event.preventDefault();
  const query = at("sought").value.trim(), concepts = listed(at("having").value);
  if (!query && !concepts.length) return;
  tell("searching …", false, "seek-said");
  // A code alone is looked for by its own wording; what notes must mention is also what they are to be near.
  const codes = isCode(query) ? [query] : query ? [] : concepts;
  const wanted = { query: codes.length ? "" : query, codes, concepts, affirmed: at("affirmed").checked, by: at("by").value };
  const { hits } = await (await ask("api/search-notes", wanted)).json();
  const item = (hit) => {
    const button = make("button", { type: "button", "aria-label": `Open note ${hit.note_id}` }, "Open");
    button.addEventListener("click", careful(() => openFound(hit.note_id), "seek-said"));
    const head = make("div", { class: "row" }, make("strong", {}, hit.note_id), make("span", { class: "soft" }, scores(hit)), button);
    return make("li", {}, head, make("p", { class: "passage" }, ...marked(hit)), why(hit));
  };
  at("found").replaceChildren(...hits.map(item));
  tell(hits.length === 1 ? "1 note" : `${hits.length} notes`, false, "seek-said");
}

// -- events -----------------------------------------------------------------------------------------------------------

const careful = (work, where = "said") => async (...event) => {
  try { await work(...event); } catch (error) { tell(error.message, true, where); }
};

notes.told.addEventListener("said", (event) => tell(event.detail));
at("ask").addEventListener("submit", careful(async (event) => {
  event.preventDefault();
  take([{ note_id: "note", text: at("given").value }]);
  await explain("note");
}));
at("example").addEventListener("click", () => { at("given").value = EXAMPLE; at("ask").requestSubmit(); });
at("file").addEventListener("change", careful(async () => { if (at("file").files[0]) await openFile(at("file").files[0]); }));
at("note").addEventListener("change", careful(() => explain(at("note").value)));
at("raw").addEventListener("change", careful(showWords));
for (const id of ["system", "section", "least"]) at(id).addEventListener("input", filter);
at("find").addEventListener("submit", careful(search));
at("seek-form").addEventListener("submit", careful(seek, "seek-said"));
at("csv").addEventListener("click", careful(() => download("api/csv", "reviewed.csv")));
at("book").addEventListener("click", careful(() => download("api/workbook", "reviewed.xlsx")));
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
  at("seek").hidden = !facts.note_search;
})();
