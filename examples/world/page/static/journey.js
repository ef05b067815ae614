// A letter's way: the list of letters, and one of them with its hops.
import { el, fill, fold, badge, verdictKind, clock } from "./dom.js";
import { verdictTree } from "./verdict.js";

const stages = {
  submission: "Submission", signature: "Signature", queue: "Queue", dns: "Who takes mail for this domain?", policy: "MTA-STS policy", relay: "Relay to relay",
  verification: "Verification", delivery: "Delivery", reading: "Read back", refusal: "Refusal", postage: "Postage", capability: "Capability", notice: "Notice",
};
const kinds = { moving: ["wait", "on its way"], delivered: ["ok", "delivered"], refused: ["bad", "refused"], failed: ["bad", "failed"] };

// What a newcomer may try: a text, and what it sets in the form.
const trials = [
  ["Send a letter", { subject: "A letter across two domains" }],
  ["Wrong key, but from the right host", { subject: "Who vouches for me?", wrongKey: true }],
  ["Wrong key, from an unlisted host", { subject: "Nobody vouches for me", wrongKey: true, unlisted: true }],
  ["Forge the author", { subject: "Your invoice", forged: true }],
  ["Write to somebody who asks strangers for postage", { to: 2, subject: "We have not met" }],
];

export function letterList(box, letters, current, choose, attempt) {
  if (letters.length === 0) {
    fill(box, el("div", { class: "empty" }, el("b", {}, "No letter is on its way."), "Write one, send one with the lines at the foot of this page, or try one of these:",
      el("ul", { class: "trials" }, trials.map(([name, set]) => el("li", {}, el("button", { type: "button", "data-key": "try " + name, onclick: () => attempt(set) }, name))))));
    return;
  }
  fill(box, letters.map((l) => {
    const [kind, word] = kinds[l.state] ?? ["", l.state];
    return el("button", { class: "row", type: "button", "data-key": "letter " + l.id, "aria-current": l.id === current ? "true" : null, onclick: () => choose(l.id) },
      el("b", {}, l.subject || "(no subject)"), badge(kind, word),
      el("small", {}, `${l.sender || "<>"} → ${l.to}, ${clock(l.sent)}`));
  }));
}

export function letterView(box, l) {
  if (!l) { fill(box); return; }
  const auth = Object.entries(l.auth).filter(([, v]) => v);
  fill(box, el("div", { class: "head" },
    el("h3", {}, l.subject || "(no subject)"),
    el("p", {}, `${l.from || "no author"} → ${l.to}, ${size(l.size)}`),
    el("div", { class: "badges" },
      auth.map(([k, v]) => badge(verdictKind(v), k.toUpperCase() + " " + v)),
      (l.broken ?? []).map((b) => badge("wait", "broken: " + b))),
    route(l),
    outcome(l),
    el("ol", { class: "hops" }, l.hops.map((h, i) => hop(l, h, i)))));
}

// route draws the stations, each in the colour of the hop that leads to it.
function route(l) {
  const host = (name) => name?.split(".").at(-2) ?? name ?? "";
  const find = (stage) => l.hops.findLast((h) => h.stage === stage);
  const reached = (h) => !h ? "" : !h.done ? "wait" : h.ok ? "ok" : "bad";
  const stations = [{ what: l.sender.split("@")[0] || "a relay", where: l.sender.split("@")[1] ?? "", state: "ok" }];
  if (!find("relay") || find("submission")) stations.push({ what: "relay", where: find("submission")?.to, state: reached(find("submission")) });
  stations.push({ what: "relay", where: find("relay")?.to, state: reached(find("relay")) }, { what: "store", where: find("delivery")?.to, state: l.state === "refused" && find("relay")?.ok === false ? "" : reached(find("delivery")) });
  stations.push({ what: l.to.split("@")[0], where: l.to.split("@")[1], state: reached(find("reading")) });
  return el("ol", { class: "route", "aria-label": "stations" }, stations.map((s) => el("li", { class: s.state || null, title: s.where }, el("b", {}, s.what), host(s.where))));
}

function outcome(l) {
  if (l.state === "moving") return el("p", { class: "outcome", role: "status" }, el("b", {}, "On its way"), l.hops.at(-1)?.summary || "");
  if (l.state === "delivered") {
    const r = l.read;
    const same = r?.mailbox ? `It is in ${r.mailbox}. Read back over IMAP and JMAP: the same to the byte.` : "Read back over IMAP, POP3 and JMAP: the same to the byte.";
    const read = r && (r.identical ? same : "Reading it back: " + (r.problem || "not identical"));
    return el("p", { class: "outcome ok", role: "status" }, el("b", {}, "Delivered"), read ?? "");
  }
  return el("p", { class: "outcome bad", role: "status" }, el("b", {}, l.state === "refused" ? "Refused" : "Failed"), l.reply ?? "");
}

function hop(l, h, i) {
  const kind = !h.done ? "wait" : h.ok ? "ok" : "bad";
  const inside = [
    h.tls && el("p", {}, el("small", {}, "encrypted: " + h.tls)),
    h.stage === "verification" && l.verdict && verdictTree(l.id, l.verdict),
    h.steps?.length > 0 && el("div", {}, h.steps.map(step)),
    h.dialogue?.length > 0 && talk(l.id + i, h.dialogue),
  ].filter(Boolean);
  const head = [
    el("b", {}, stages[h.stage] ?? h.stage), el("span", { class: "ms" }, h.done ? ms(h.ms) : "…"),
    el("span", { class: "sum" }, h.from + (h.to ? " → " + h.to : "") + (h.summary ? ": " + h.summary : "")),
  ];
  const open = l.state !== "delivered" && (kind === "bad" && h.stage !== "delivery" || h.stage === "verification" && l.state === "refused");
  return el("li", { class: kind }, fold(l.id + " " + i, open, head, el("div", { class: "inside" }, inside.length ? inside : el("small", {}, "Nothing was said here."))));
}

export function step(s) {
  return el("div", { class: "step" }, s.question && el("span", { class: "q" }, s.question + " ?"), s.answer && el("span", { class: "a" }, s.answer), s.rule && el("span", { class: "r" }, s.rule));
}

function talk(key, lines) {
  return el("div", { class: "talk", tabindex: "0", role: "group", "aria-label": "dialogue", "data-scroll": key, "data-key": "talk " + key }, lines.map((n) => {
    const kind = n.dir === "->" ? "c" : n.dir === "--" ? "remark" : /^[45]\d\d/.test(n.text) ? "no" : "";
    return el("div", {}, el("span", { class: "dir" }, n.dir), el("span", { class: kind }, n.text));
  }));
}

function ms(n) { return n < 0.1 ? "" : n < 10 ? n.toFixed(1) + " ms" : n < 1000 ? Math.round(n) + " ms" : (n / 1000).toFixed(1) + " s"; }
function size(n) { return n < 10000 ? n + " bytes" : n < 1e6 ? Math.round(n / 1000) + " kB" : (n / 1e6).toFixed(1) + " MB"; }
