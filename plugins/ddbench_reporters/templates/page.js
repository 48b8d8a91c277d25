"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("live");

  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });

  const ORDER = new Intl.Collator("en", { numeric: true });
  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.classList.contains("number")) return "value" in cell.dataset ? Number(cell.dataset.value) : NaN;
    return cell.textContent.trim();
  };
  const compare = (one, other) => (typeof one === "number" ? one - other : ORDER.compare(one, other));
  const sort = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    const known = [...body.rows].map((row) => ({ row, value: value(row, column) }));
    const gaps = known.filter((each) => Number.isNaN(each.value));
    const rest = known.filter((each) => !Number.isNaN(each.value));
    rest.sort((one, other) => compare(one.value, other.value) * (order === "ascending" ? 1 : -1));
    body.append(...[...rest, ...gaps].map((each) => each.row));
    all("th", table).forEach((each) => each.setAttribute("aria-sort", each === head ? order : "none"));
  };
  all(".sorted th button").forEach((button) => button.addEventListener("click", () => sort(button.closest("th"))));

  const filters = all("#filters select"), words = document.getElementById("words");
  const targets = all("[data-filter]").map((element) => ({
    element,
    text: element.matches("tr, article") ? [element.textContent, ...Object.values(element.dataset)].join(" ").toLowerCase() : null,
  }));
  const fits = ({ element, text }, wanted) =>
    filters.every((each) => !each.value || !(each.dataset.name in element.dataset) || element.dataset[each.dataset.name] === each.value)
    && (text === null || wanted.every((word) => text.includes(word)));
  const narrow = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    targets.forEach((target) => { target.element.hidden = !fits(target, wanted); });
    all(".panels").forEach((panels) => panels.classList.toggle("none", !panels.querySelector("figure:not([hidden])")));
    const rows = all("#table-1 tbody tr"), shown = rows.filter((row) => !row.hidden);
    document.getElementById("count").textContent = `${shown.length} of ${rows.length} rows`;
  };
  const form = document.getElementById("filters");
  form.addEventListener("input", narrow);
  form.addEventListener("submit", (event) => event.preventDefault());
  narrow();

  const dialog = document.getElementById("dialog"), place = document.getElementById("shown");
  const open = (address) => {
    const found = /^#cell-\d+$/.test(address || "") && document.getElementById(address.slice(1));
    if (!found) return false;
    const copy = found.cloneNode(true);
    copy.removeAttribute("id");
    place.replaceChildren(copy);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && open(link.getAttribute("href") || link.getAttribute("xlink:href"))) event.preventDefault();
    if (event.target === dialog) dialog.close();
  });
  addEventListener("hashchange", () => open(location.hash));
  open(location.hash);
})();
