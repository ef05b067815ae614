// The tree of verdicts: what decided, what it rests on, and the answers of DNS below.
import { el, fold, badge, verdictKind } from "./dom.js";
import { step } from "./journey.js";

export function verdictTree(id, v) {
  const below = [node(id, v.spf, "sender's host"), ...(v.dkim ?? []).map((k, i) => node(id + i, k, "signature"))];
  if (!v.dkim?.length) below.push(el("li", {}, badge("", "DKIM none"), el("small", {}, " the letter has no signature")));
  return el("div", {},
    el("ul", { class: "tree" }, el("li", {}, branch(id, v.dmarc, "author"), el("ul", {}, below))),
    fold(id + " field", false, el("small", {}, "As a header field"), el("pre", { class: "lines" }, v.field)));
}

function node(id, c, what) { return el("li", {}, branch(id, c, what)); }

function branch(id, c, what) {
  const aligned = c.name === "dmarc" || c.result !== "pass" ? "" : c.aligned ? ", the author's own domain" : ", not the author's domain";
  const head = [badge(verdictKind(c.result), c.name.toUpperCase() + " " + c.result), " ", el("small", {}, what + (c.domain ? " " + c.domain : "") + aligned)];
  return el("div", {}, fold(`${id} ${c.name} ${c.domain}`, c.result === "fail", head, el("div", { class: "inside" }, (c.steps ?? []).map(step))),
    c.reason && el("p", { class: "why" }, c.reason));
}
