// Mailboxes: a tab for each user, the list of letters, and one of them to read.
import { el, fill, badge, verdictKind, clock } from "./dom.js";

export function tabs(box, users, current, inboxes, choose) {
  fill(box, users.map((u, i) => {
    const unread = (inboxes[u] ?? []).filter((m) => m.unread).length;
    return el("button", {
      type: "button", role: "tab", id: "tab-" + i, "data-key": "tab " + u, "aria-selected": u === current ? "true" : "false", "aria-controls": "box",
      tabindex: u === current ? "0" : "-1", onclick: () => choose(u),
      onkeydown: (e) => {
        const d = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
        if (!d) return;
        e.preventDefault();
        const j = (i + d + users.length) % users.length;
        choose(users[j]);
        box.children[j].focus();
      },
    }, u.split("@")[0], el("span", { class: "unseen" }, " at " + u.split("@")[1]), unread > 0 && ` ${unread}`);
  }));
  box.parentElement.querySelector("[role=tabpanel]").setAttribute("aria-labelledby", "tab-" + users.indexOf(current));
}

export function mailList(box, user, mails, fresh, open) {
  if (mails.length === 0) {
    fill(box, el("p", { class: "empty" }, el("b", {}, "No mail yet."), `Letters to ${user} appear here by themselves.`));
    return;
  }
  fill(box, el("p", {}, el("small", {}, user)), mails.map((m) =>
    el("button", { class: `row${m.unread ? " unread" : ""}${fresh.has(m.id) ? " new" : ""}`, type: "button", "data-key": "mail " + m.id, "data-mail": m.subject, onclick: () => open(m.id) },
      el("b", {}, m.subject || "(no subject)"), el("small", { class: "when" }, m.mailbox && m.mailbox !== "Inbox" && badge("wait", m.mailbox), " ", clock(m.received)),
      el("small", {}, `${m.from || "no author"}: ${m.preview || ""}`))));
}

export function mailView(box, m, actions) {
  const source = el("pre", { class: "source", tabindex: "0", hidden: true, "aria-label": "source" }, m.source);
  const auth = Object.entries(m.auth ?? {}).filter(([, v]) => v);
  fill(box, el("article", { class: "mail" },
    el("div", { class: "actions" },
      el("button", { type: "button", "data-key": "back", onclick: actions.back }, "← All mail"),
      el("button", { type: "button", "data-key": "reply", onclick: () => actions.reply(m) }, "Reply"),
      el("button", { type: "button", "data-key": "source", "aria-expanded": "false", onclick: (e) => { source.hidden = !source.hidden; e.target.setAttribute("aria-expanded", String(!source.hidden)); } }, "Source"),
      m.letter && el("button", { type: "button", "data-key": "way", onclick: () => actions.way(m.letter) }, "Its way here")),
    el("h3", {}, m.subject || "(no subject)"),
    el("dl", {}, el("dt", {}, "From"), el("dd", {}, m.from || "nobody"), el("dt", {}, "To"), el("dd", {}, m.to), el("dt", {}, "Received"), el("dd", {}, new Date(m.received).toLocaleString())),
    el("div", { class: "badges" }, auth.map(([k, v]) => badge(verdictKind(v), k.toUpperCase() + " " + v))),
    el("pre", { tabindex: "0", "aria-label": "text" }, m.text || "(no text)"),
    source));
  box.querySelector("[data-key=back]").focus({ preventScroll: true });
}
