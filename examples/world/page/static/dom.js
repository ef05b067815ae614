// Elements are made here and nowhere else: text goes in as text, never as markup.

// el("p", {class: "x", onclick: f}, "text", child, [more]) makes an element. null, undefined and false are left out.
export function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props ?? {})) {
    if (v === null || v === undefined || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  add(e, children);
  return e;
}

function add(e, children) {
  for (const c of children) {
    if (Array.isArray(c)) add(e, c);
    else if (c !== null && c !== undefined && c !== false) e.append(c);
  }
}

export const $ = (id) => document.getElementById(id);

// fill replaces what an element holds. The focus stays on the element with the same data-key, if there is one, and
// details that the reader has opened or closed stay as they are.
export function fill(e, ...children) {
  const key = e.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Map([...e.querySelectorAll("details[data-touched]")].map((d) => [d.dataset.key, d.open]));
  const scroll = new Map([...e.querySelectorAll("[data-scroll]")].map((s) => [s.dataset.scroll, s.scrollTop]));
  e.replaceChildren();
  add(e, children);
  for (const d of e.querySelectorAll("details[data-key]")) {
    if (open.has(d.dataset.key)) {
      d.open = open.get(d.dataset.key);
      d.dataset.touched = "";
    }
  }
  for (const s of e.querySelectorAll("[data-scroll]")) s.scrollTop = scroll.get(s.dataset.scroll) ?? 0;
  if (key) [...e.querySelectorAll("[data-key]")].find((x) => x.dataset.key === key)?.focus({ preventScroll: true });
}

// fold makes a details element that remembers that it was opened or closed by hand.
export function fold(key, open, summary, ...inside) {
  const head = el("summary", { "data-key": "summary " + key }, summary);
  const d = el("details", { "data-key": key, open }, head, ...inside);
  head.addEventListener("click", () => { d.dataset.touched = ""; });
  return d;
}

export function badge(kind, ...text) { return el("span", { class: "badge " + kind }, ...text); }

// verdictKind is the colour of a result keyword of RFC 8601.
export function verdictKind(result) {
  if (result === "pass") return "ok";
  return ["fail", "permerror", "softfail"].includes(result) ? "bad" : result === "none" || !result ? "" : "wait";
}

export function clock(t) {
  return new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
