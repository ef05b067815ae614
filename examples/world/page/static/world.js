// The foot of the page: what the world is made of, and lines to copy.
import { el, fill, fold } from "./dom.js";

export function worldView(box, w) {
  fill(box,
    el("div", { class: "domains" }, w.domains.map((d) => el("div", {},
      el("h3", {}, d.name),
      el("small", {}, d.about),
      el("dl", {}, el("dt", {}, "user"), el("dd", {}, d.user), el("dt", {}, "password"), el("dd", {}, el("code", {}, d.password)),
        d.services.map((s) => [el("dt", {}, s.name), el("dd", {}, el("code", {}, s.address), " ", el("small", {}, s.host))])),
      fold("zone " + d.name, false, el("small", {}, "Its records in DNS"), el("pre", { class: "lines", tabindex: "0" }, d.records.join("\n")))))),
    el("h3", {}, "Lines to copy"),
    w.lines.map((l) => line(l)));
}

function line(l) {
  const pre = el("pre", { class: "lines" }, l.text);
  const button = el("button", { type: "button", "aria-label": "Copy: " + l.what }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(l.text);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(pre);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected";
    }
  });
  return el("div", {}, el("small", {}, l.what), el("div", { class: "copy" }, pre, button));
}
