"use strict";
// Without this script the page can be read whole. With it tables can be sorted, figures that a narrow screen makes
// small can be read at their own size, and paper shows what is folded.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });

  // What a cell shows; null for a dash.
  const shown = (row, index) => {
    const text = row.cells[index].textContent.trim();
    return text === "–" || text === "" ? null : text;
  };

  // A number that something follows: "−0.031 to +0.017", "0.812 (0.032)".
  const LED = /^([+−]?(?:[\d.]+|∞)) (?:to [+−]?[\d∞]|\()/;

  const leads = (rows, index) => {
    const texts = rows.map((row) => shown(row, index)).filter((text) => text !== null);
    return texts.length > 0 && texts.every((text) => LED.test(text) || !Number.isNaN(Number(text.replace("−", "-"))));
  };

  // The same as something that can be compared: a number where its column holds numbers or is led by them.
  const value = (row, index, numeric) => {
    const whole = shown(row, index);
    if (whole === null || !numeric) return whole;
    const text = LED.test(whole) ? LED.exec(whole)[1] : whole;
    const number = Number(text.replace("−", "-").replace("∞", "Infinity").replace(/^[+<]\s*/, ""));
    return Number.isNaN(number) ? null : number;
  };

  // Rows without a value come last in either direction; equal rows keep the order they were written in.
  const sorted = (rows, index, numeric, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    return rows
      .map((row) => ({ row, value: value(row, index, numeric) }))
      .sort((a, b) => {
        if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
        return sign * (numeric ? a.value - b.value || 0 : collator.compare(a.value, b.value));
      })
      .map((entry) => entry.row);
  };

  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  const makeSortable = (table) => {
    const body = table.tBodies[0];
    const written = [...body.rows];
    if (written.length < 2) return;
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const direction = NEXT[heading.getAttribute("aria-sort") || "none"];
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        if (direction !== "none") heading.setAttribute("aria-sort", direction);
        const numeric = heading.classList.contains("n") || leads(written, index);
        body.append(...(direction === "none" ? written : sorted(written, index, numeric, direction)));
      });
    });
  };

  document.querySelectorAll("table").forEach(makeSortable);

  const makeEnlargeable = (drawing) => {
    const image = drawing.firstElementChild;
    const caption = drawing.parentElement.querySelector("figcaption").id;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    const show = (full) => {
      drawing.classList.toggle("full", full);
      for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-labelledby", caption]]) {
        if (full) drawing.setAttribute(name, value);
        else drawing.removeAttribute(name);
      }
      button.setAttribute("aria-pressed", String(full));
      button.textContent = full ? "Fit to the page" : "Full size";
    };
    button.addEventListener("click", () => show(!drawing.classList.contains("full")));
    drawing.after(button);
    show(false);
    const offer = () => {
      const small = image.clientWidth < 0.9 * image.naturalWidth;
      button.hidden = !small && !drawing.classList.contains("full");
    };
    new ResizeObserver(offer).observe(image);  // folded figures have no size until they are shown
    offer();
  };
  document.querySelectorAll(".drawing").forEach(makeEnlargeable);

  // Paper shows everything; a link to something folded unfolds it.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details.group, .cautions details").forEach((details) => { details.open = true; });
  });
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  unfold();
})();
