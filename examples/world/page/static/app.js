// The page of the world: state, and who is told when it changes.
import { $, el, fill } from "./dom.js";
import { get, post, events } from "./api.js";
import { letterList, letterView } from "./journey.js";
import { tabs, mailList, mailView } from "./inbox.js";
import { worldView } from "./world.js";

const maxLetters = 200;
const state = { users: [], domains: [], letters: new Map(), letter: "", follow: true, inboxes: {}, user: "", mail: null, fresh: new Set() };

function newest() { return [...state.letters.values()].sort((a, b) => b.sent.localeCompare(a.sent)); }

function drawLetters() {
  const all = newest();
  for (const old of all.slice(maxLetters)) state.letters.delete(old.id);
  if (state.follow || !state.letters.has(state.letter)) state.letter = all[0]?.id ?? "";
  letterList($("letters"), all.slice(0, maxLetters), state.letter, chooseLetter, attempt);
  letterView($("letter"), state.letters.get(state.letter));
}

function chooseLetter(id) {
  state.letter = id;
  state.follow = id === newest()[0]?.id;
  drawLetters();
}

function drawBox() {
  tabs($("tabs"), state.users, state.user, state.inboxes, (u) => { state.user = u; state.mail = null; drawBox(); });
  if (state.mail) return;
  mailList($("box"), state.user, state.inboxes[state.user] ?? [], state.fresh, openMail);
}

async function openMail(id) {
  try {
    const m = await get(`api/mail/${encodeURIComponent(state.user)}/${encodeURIComponent(id)}`);
    m.letter = [...state.letters.values()].find((l) => l.mails?.[m.user] === id)?.id;
    state.mail = m;
    state.fresh.delete(id);
    mailView($("box"), m, {
      back: () => { state.mail = null; drawBox(); $("box").focus(); },
      reply,
      way: (letter) => { chooseLetter(letter); $("journey").focus(); $("journey").scrollIntoView({ block: "start" }); },
    });
  } catch (err) {
    fill($("box"), el("p", { class: "error", role: "alert" }, "This letter cannot be shown: " + err.message));
  }
}

function reply(m) {
  const form = $("write");
  form.from.value = m.user;
  drawTo();
  form.to.value = m.fromAddress;
  form.subject.value = /^re:/i.test(m.subject) ? m.subject : "Re: " + m.subject;
  form.text.value = "\n\n" + m.text.split("\n").map((l) => "> " + l).join("\n");
  for (const name of ["wrongKey", "unlisted", "forged"]) form[name].checked = false;
  drawHints();
  form.text.focus();
  form.text.setSelectionRange(0, 0);
}

// drawTo offers every user but the sender.
function drawTo() {
  const to = $("to").value;
  fill($("to"), state.users.filter((u) => u !== $("from").value).map((u) => el("option", { value: u }, u)));
  if (to && to !== $("from").value) $("to").value = to;
}

function drawHints() {
  const d = state.domains.find((x) => $("to").value.endsWith("@" + x.name));
  $("postage-set").hidden = !d?.postage;
  $("postage-hint").textContent = d?.postage ? `${d.name} asks strangers for a stamp of ${d.bits} bits` : "";
}

// attempt sends a letter as the form would, with some of it set.
function attempt(set) {
  const form = $("write");
  form.from.value = state.users[0];
  drawTo();
  form.to.value = state.users[set.to ?? 1];
  form.subject.value = set.subject;
  for (const name of ["wrongKey", "unlisted", "forged"]) form[name].checked = Boolean(set[name]);
  form.postage.checked = true;
  drawHints();
  form.requestSubmit();
}

function complain(text) {
  $("write-error").hidden = !text;
  $("write-error").textContent = text;
}

async function send(e) {
  e.preventDefault();
  const form = $("write");
  const button = form.querySelector("button.primary");
  const letter = { from: form.from.value, to: form.to.value, subject: form.subject.value, text: form.text.value };
  for (const name of ["wrongKey", "unlisted", "forged", "postage"]) letter[name] = form[name].checked;
  button.disabled = true;
  complain("");
  try {
    const { id } = await post("api/letters", letter);
    state.follow = true;
    state.letter = id;
    drawLetters();
    if (matchMedia("(max-width: 759px)").matches) $("journey").scrollIntoView({ block: "start" });
  } catch (err) {
    complain("The letter was not sent: " + err.message);
  } finally {
    button.disabled = false;
  }
}

const on = {
  letter(l) {
    state.letters.set(l.id, l);
    drawLetters();
  },
  inbox({ user, mails }) {
    const known = state.inboxes[user];
    if (known) {
      const ids = new Set(known.map((m) => m.id));
      for (const m of mails.filter((x) => !ids.has(x.id))) {
        state.fresh.add(m.id);
        setTimeout(() => state.fresh.delete(m.id), 2500);
        $("arrivals").textContent = `New letter for ${user}: ${m.subject || "no subject"}`;
      }
    }
    state.inboxes[user] = mails;
    drawBox();
  },
};

function live(s) {
  $("live").dataset.state = s;
  $("live").textContent = s === "live" ? "live" : "the world does not answer, trying again";
}

async function start() {
  const w = await get("api/world");
  state.domains = w.domains;
  state.users = w.domains.map((d) => d.user);
  state.user = state.users[1] ?? state.users[0];
  fill($("from"), state.users.map((u) => el("option", { value: u }, u)));
  drawTo();
  drawHints();
  drawLetters();
  drawBox();
  worldView($("world"), w);
  $("from").addEventListener("change", () => { drawTo(); drawHints(); });
  $("to").addEventListener("change", drawHints);
  $("write").addEventListener("submit", send);
  events("api/events", on, live);
}

start().catch((err) => { live("lost"); complain("The world does not answer: " + err.message); });
