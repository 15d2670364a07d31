"use strict";
// What can be done with notes beside reading them: keys, decisions about codes, their table. Nothing is stored or sent.

const notes = (() => {
  const COLUMNS = ["note_id", "system", "code", "name", "role", "accept", "text", "spans"];
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const told = new EventTarget();          // "said" with words for the reader, "decided" after each decision

  function make(name, attributes = {}, ...content) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...content.filter((part) => part !== null && part !== undefined && part !== ""));
    return node;
  }

  const say = (words) => told.dispatchEvent(new CustomEvent("said", { detail: words }));
  const words = (node, selector) => (node.querySelector(selector)?.textContent ?? "").trim();
  const seen = (node) => node.getClientRects().length > 0;
  const codeOf = (row) => words(row, "summary > .c");
  const nameOf = (row) => (row.querySelector(".name")?.firstChild?.textContent ?? "").trim();

  // -- marks -----------------------------------------------------------------------------------------------------------

  const marks = (text) => all(".m > a, .w", text);
  const markOf = (node) => node.closest?.(".text .k");

  function rove(chosen, group) {
    for (const other of group) other.tabIndex = other === chosen ? 0 : -1;
  }

  function step(mark, by) {
    const group = marks(mark.closest(".text")).filter((one) => seen(one) && !one.closest(".k.off-filter"));
    const at = group.indexOf(mark.matches(".w") ? mark : mark.querySelector("a"));
    const next = group[Math.min(Math.max(at + by, 0), group.length - 1)];
    if (next) next.focus();
  }

  function offer(mark) {
    for (const shown of all(".cand", mark)) {
      if (shown.querySelector("button")) continue;
      const take = make("button", { type: "button", tabindex: "-1", "aria-label": `Take ${words(shown, ".c")} as a code` }, "+");
      take.addEventListener("click", () => takeOf(mark, shown));
      shown.querySelector(".s").after(take);
    }
  }

  function takeOf(mark, shown) {
    let said = shown;
    while (said && said.tagName !== "B") said = said.previousElementSibling;
    add(mark.closest(".note"), { system: said.dataset.system, code: words(shown, ".c"), name: words(shown, ".name"),
      text: said.textContent, spans: said.dataset.at });
  }

  function close() {
    for (const mark of all(".text .k:hover, .text .k:focus-within, .text .k:focus")) mark.classList.add("shut");
  }

  // -- codes -----------------------------------------------------------------------------------------------------------

  const rows = (within = document) => all(".code", within).filter(seen);

  function dressRow(row) {
    const code = codeOf(row);
    const button = (label, sign, does, kind = null) => {
      const made = make("button", { type: "button", tabindex: "-1", "aria-label": `${label} ${code}`, title: label, class: kind }, sign);
      made.addEventListener("click", does);
      return made;
    };
    row.append(make("span", { class: "judge" }, button("Accept", "✓", () => decide(row, "yes")), button("Reject", "✗", () => decide(row, "no"))));
    row.querySelector(".more")?.append(make("p", {}, button("Copy", "Copy the code", () => copy(code), "copy")));
    pressed(row);
  }

  function pressed(row) {
    const [yes, no] = all(".judge button", row);
    yes.setAttribute("aria-pressed", String(row.dataset.accept === "yes"));
    no.setAttribute("aria-pressed", String(row.dataset.accept === "no"));
  }

  function decide(row, accept) {
    if (!row.querySelector(".judge")) dress(row.closest(".note"));
    row.dataset.accept = row.dataset.accept === accept ? "" : accept;
    pressed(row);
    told.dispatchEvent(new Event("decided"));
  }

  function add(article, { system, code, name, text = "", spans = "" }) {
    let row = all(".code", article).find((one) => one.dataset.system === system && codeOf(one) === code);
    if (!row) {
      let list = article.querySelector(".added ul");
      if (!list) {
        list = make("ul");
        article.querySelector(".codes").append(make("div", { class: "group added", role: "group", "aria-label": "Added by you" },
          make("h3", {}, "Added by you"), list));
      }
      row = make("li", { class: "code", "data-system": system, "data-role": "", "data-spans": spans }, make("details", {}, make("summary", {},
        make("span", { class: "c" }, code), make("span", { class: "name" }, name, text && make("span", { class: "words" }, text)))));
      list.append(row);
      dressRow(row);
    }
    if (row.dataset.accept !== "yes") decide(row, "yes");
    say(`${code} is accepted`);
  }

  async function copy(said) {
    try {
      await navigator.clipboard.writeText(said);
    } catch {                              // an old browser, or a page of a kind that may not
      const field = make("textarea", {}, said);
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say(said.includes("\n") ? "the codes are copied" : `${said} is copied`);
  }

  function light(row) {
    const lit = new Set(all(".more a[href^='#']", row).map((link) => document.getElementById(link.hash.slice(1))?.parentNode));
    const article = row.closest(".note");
    for (const mark of all(".text .lit")) mark.classList.remove("lit");
    for (const mark of lit) mark?.classList.add("lit");
    const [first] = all(".text .lit", article);
    if (!first) return;
    const text = article.querySelector(".text"), box = text.getBoundingClientRect(), at = first.getBoundingClientRect();
    const top = Math.max(box.top, 0), bottom = Math.min(box.bottom, innerHeight);
    if (at.top >= top && at.bottom <= bottom) return;
    text.scrollTop += at.top - top - (bottom - top) / 3;
    if (getComputedStyle(text).position === "sticky") first.scrollIntoView({ block: "nearest" });  // else its code would leave
  }

  function record(row) {
    const own = all(".more a[data-at]", row).map((link) => link.dataset.at);
    const values = [row.closest(".note").dataset.note, row.dataset.system, codeOf(row), nameOf(row), row.dataset.role, row.dataset.accept ?? "",
      words(row, ".words"), row.dataset.spans ?? [...new Set(own)].join(" ")];
    return Object.fromEntries(COLUMNS.map((name, at) => [name, values[at]]));
  }

  // -- what is done ----------------------------------------------------------------------------------------------------

  function jump(by) {
    const list = rows();
    const at = list.indexOf(document.activeElement.closest(".code"));
    const from = at < 0 ? list.findIndex((row) => row.getBoundingClientRect().bottom > 0) - (by > 0 ? 1 : 0) : at;
    const next = list[Math.min(Math.max(from + by, 0), list.length - 1)];
    if (next) next.querySelector("summary").focus();
  }

  function keys(event) {
    if (event.key === "Escape") close();
    if (event.target.matches("textarea, input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const mark = markOf(document.activeElement), row = document.activeElement.closest(".code");
    if (event.key === "j" || event.key === "k") jump(event.key === "j" ? 1 : -1);
    else if (mark && (event.key === "ArrowRight" || event.key === "ArrowDown")) step(mark, 1);
    else if (mark && (event.key === "ArrowLeft" || event.key === "ArrowUp")) step(mark, -1);
    else if (mark && event.key === "Enter" && document.activeElement.tagName === "A") mark.classList.toggle("shut");
    else if (mark && /^[1-9]$/.test(event.key) && all(".cand", mark)[event.key - 1]) takeOf(mark, all(".cand", mark)[event.key - 1]);
    else if (row && event.key === "a") decide(row, "yes");
    else if (row && event.key === "r") decide(row, "no");
    else if (row && event.key === "c") copy(codeOf(row));
    else return;
    event.preventDefault();
  }

  function clicked(event) {
    const link = event.target.closest("a[href^='#']"), mark = markOf(event.target), row = event.target.closest(".code");
    if (mark) {
      if (link) event.preventDefault();
      mark.classList.remove("shut");
      if (link) link.focus();
    } else if (link && row) {
      event.preventDefault();
      document.getElementById(link.hash.slice(1))?.focus();
    } else if (row && event.target.closest("summary")) light(row);
  }

  function focused(event) {
    const mark = markOf(event.target), row = event.target.closest("summary")?.closest(".code");
    if (mark) {
      if (event.target.matches("a, .w")) rove(event.target, marks(mark.closest(".text")));
      offer(mark);
    }
    if (row) {
      rove(event.target, all(".code summary", row.closest(".note")));
      if (event.target.matches(":focus-visible")) light(row);  // a click does so once it is done: scrolling would lose it
    }
  }

  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) dress(target);
  }, { rootMargin: "1000px" });

  function dress(article) {
    near.unobserve(article);
    const group = marks(article), summaries = all(".code summary", article);
    rove(group[0], group);
    rove(summaries[0], summaries);
    for (const row of all(".code", article)) if (!row.querySelector(".judge")) dressRow(row);
  }

  function take(article) {                 // a page may have many: each is dressed when it comes near
    near.observe(article);
    article.addEventListener("click", clicked);
    article.addEventListener("focusin", focused);
    article.addEventListener("focusout", (event) => { markOf(event.target)?.classList.remove("shut"); });
    article.addEventListener("mouseover", (event) => { const mark = markOf(event.target); if (mark) offer(mark); });
    article.addEventListener("mouseout", (event) => {
      const mark = markOf(event.target);
      if (mark && !mark.contains(event.relatedTarget) && !mark.contains(document.activeElement)) mark.classList.remove("shut");
    });
  }

  document.addEventListener("keydown", keys);
  return { COLUMNS, add, all, codeOf, copy, make, nameOf, record, rows, say, seen, take, told, words };
})();
