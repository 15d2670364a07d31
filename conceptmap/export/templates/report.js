// The tools above the notes of a report.

{
  const { all, codeOf, copy, make, nameOf, words } = notes;
  const at = (id) => document.getElementById(id);
  const tools = document.querySelector(".tools"), articles = all(".note"), lines = all(".index tbody tr");
  let open = false, kept = true;           // whether the rows are unfolded; whether every decision is in a file

  function filter() {
    const wanted = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (said) => wanted.every((word) => said.toLowerCase().includes(word));
    const shown = new Set();
    for (const article of articles) {
      const whole = fits(article.dataset.note);
      for (const row of all(".code", article)) row.hidden = !whole && !fits(row.querySelector("summary").textContent);
      for (const list of all(".codes ul:has(> .code)", article)) {
        list.hidden = !list.querySelector(":scope > .code:not([hidden])");
        if (list.previousElementSibling?.tagName === "H4") list.previousElementSibling.hidden = list.hidden || Boolean(at("sort").value);
      }
      for (const group of all(".group", article)) group.hidden = !group.querySelector(".code:not([hidden])");
      article.hidden = wanted.length > 0 && !whole && !article.querySelector(".code:not([hidden])");
      if (article.previousElementSibling?.matches(".steps")) article.previousElementSibling.hidden = article.hidden;
      if (!article.hidden) shown.add(`#${article.id}`);
    }
    for (const line of lines) {
      const there = line.querySelector("a").getAttribute("href");
      line.hidden = there.startsWith("#") && articles.length ? !shown.has(there) : !fits(line.textContent);
    }
    const left = lines.filter((line) => !line.hidden).length;
    if (wanted.length) notes.say(lines.length ? `${left} of ${lines.length} notes` : `${all(".code:not([hidden])").length} codes`);
  }

  const place = (row) => Math.min(...all(".more a", row).map((link) => all(".text a", row.closest(".note")).findIndex((one) => `#${one.id}` === link.hash)));
  const ORDERS = { "": (row) => Number(row.dataset.order), code: codeOf, sure: (row) => -Number(words(row, "summary .s")), place };

  function sort() {
    const order = ORDERS[at("sort").value], flat = Boolean(at("sort").value);
    for (const group of all(".group:not(.added)")) {
      const found = all(".code", group).map((row) => [order(row), row]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      for (const [, row] of found) (flat ? group.querySelector("ul") : row.home).append(row);
    }
    filter();
  }

  function sortLines(head, column) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of all(".index th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (line) => line.cells[column].textContent.trim();
    const sorted = [...lines].sort((a, b) => value(a).localeCompare(value(b), undefined, { numeric: true }) * (down ? -1 : 1));
    document.querySelector(".index tbody").append(...sorted);
  }

  function csv() {
    const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const table = [notes.COLUMNS, ...all(".code").map(notes.record).map(Object.values)];
    const data = new Blob([table.map((row) => `${row.map(cell).join(",")}\n`).join("")], { type: "text/csv;charset=utf-8" });
    const part = /report(-\d+)\.html$/.exec(location.pathname)?.[1] ?? "";
    const link = make("a", { href: URL.createObjectURL(data), download: `reviewed${part}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    kept = true;
  }

  function count() {
    const given = (accept) => all(`.code[data-accept=${accept}]`).length;
    notes.say(`${given("yes")} accepted, ${given("no")} rejected`);
    kept = false;
  }

  function fit() {                         // the room that the tools take from the note
    const above = getComputedStyle(tools).position === "sticky" ? tools.offsetHeight : 0;
    document.documentElement.style.setProperty("--top", `${above}px`);
  }

  notes.told.addEventListener("said", (event) => { at("said").textContent = event.detail; });
  notes.told.addEventListener("decided", count);
  articles.forEach(notes.take);
  all(".code").forEach((row, number) => { row.dataset.order = number; row.home = row.parentNode; });
  for (const [id, kind, does] of [["filter", "input", filter], ["sort", "change", sort], ["csv", "click", csv]]) at(id)?.addEventListener(kind, does);
  at("unfold")?.addEventListener("click", () => {
    open = !open;
    at("unfold").textContent = open ? "Fold all" : "Unfold all";
    for (const row of all(".code > details")) row.open = open;
  });
  at("copy")?.addEventListener("click", () => {
    const chosen = notes.rows().filter((row) => row.dataset.accept !== "no");
    const accepted = chosen.filter((row) => row.dataset.accept === "yes");
    copy((accepted.length ? accepted : chosen).map((row) => `${row.closest(".note").dataset.note}\t${codeOf(row)}\t${nameOf(row)}`).join("\n"));
  });
  all(".index thead th").slice(0, 3).forEach((head, column) => {
    const button = make("button", { type: "button" }, head.textContent);
    button.addEventListener("click", () => sortLines(head, column));
    head.replaceChildren(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, textarea, select")) return;
    at("filter").focus();
    event.preventDefault();
  });
  addEventListener("beforeunload", (event) => { if (!kept) event.preventDefault(); });
  addEventListener("resize", fit);
  if (tools && (articles.length || lines.length)) tools.hidden = false;
  fit();
}
