"use strict";
// The page reads well without this script; it only adds the filter.
const form = document.getElementById("filter");
const text = document.getElementById("filter-text");
const count = document.getElementById("filter-count");
const rows = Array.from(document.querySelectorAll("tr.finding"));

function apply() {
  const wanted = new Set(Array.from(form.querySelectorAll("input[name=status]:checked"), (box) => box.value));
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const content = row.textContent.toLowerCase();
    row.hidden = !wanted.has(row.dataset.status) || !words.every((word) => content.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = shown + " of " + rows.length + " shown";
}

form.hidden = false;
form.addEventListener("input", apply);
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("beforeprint", () => rows.forEach((row) => { row.hidden = false; }));
addEventListener("afterprint", apply);
apply();
