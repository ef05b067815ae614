// The page: log in, then mailboxes, list and reader, kept up to date by what the server pushes.
import { Actions } from "./actions.js";
import { Compose } from "./compose.js";
import { Contacts } from "./contacts.js";
import { $ } from "./dom.js";
import { icon } from "./icons.js";
import { Jmap } from "./jmap.js";
import { keys } from "./keys.js";
import { List } from "./list.js";
import { Mail } from "./mail.js";
import { Mailboxes } from "./mailboxes.js";
import { Reader } from "./reader.js";
import { cancel } from "./sending.js";
import { Sync } from "./sync.js";
import { fail, revert } from "./toast.js";
import { Vacation } from "./vacation.js";
import { onBack, show, view } from "./view.js";

let jmap, boxes, list, reader, compose, contacts, sync, actions;

for (const b of document.querySelectorAll("button[data-icon]")) b.prepend(icon(b.dataset.icon));

$("login-form").onsubmit = async (ev) => {
	ev.preventDefault();
	$("login-error").textContent = "";
	$("login-button").disabled = true;
	try {
		await start($("name").value, $("password").value);
		$("password").value = "";
	} catch (e) {
		$("login-error").textContent = e.status === 401 ? "Name or password is wrong." : `Cannot log in: ${e.message}.`;
	}
	$("login-button").disabled = false;
};

async function start(name, password) {
	jmap = new Jmap(name, password, { changed, live });
	await jmap.open();
	const mail = new Mail();
	boxes = new Mailboxes({ choose: (b) => list.choose(b) });
	list = new List(jmap, mail, boxes, { open: (e) => open(e).catch(fail), selected });
	reader = new Reader(jmap, boxes, list, { act: (name, letter) => act(name, letter).catch(fail) });
	compose = new Compose(jmap, boxes);
	actions = new Actions(jmap, boxes, list, { done });
	actions.fail = fail;
	contacts = jmap.hasContacts ? new Contacts(jmap) : null;
	sync = new Sync(jmap, mail, boxes, list, { moved: (ids, destroyed) => {
		reader.changed(mail, ids, destroyed).catch(fail);
		contacts?.count().catch(fail);
	} });
	if (jmap.hasVacation) new Vacation(jmap);
	const [all] = await jmap.call(["Mailbox/get", {}]);
	boxes.replace(all);
	$("user").textContent = jmap.session.username;
	await list.choose(boxes.current);
	await Promise.all([compose.identities(), contacts?.count()]);
	$("login").hidden = true;
	$("app").hidden = false;
	list.rows.move(0);
}

// live shows whether the page hears of changes. What was missed is told by the server when it is there again.
let broken = false;
function live(state) {
	$("live").textContent = state === "live" ? "live" : "offline";
	$("live").dataset.state = state === "live" ? "live" : "off";
	$("banner").hidden = state === "live";
	$("banner-text").textContent = state === "out" ? "You have been logged out." : state === "off" ? "No connection to the server. What you see may be old; nothing can be changed until it is back." : "";
	$("banner-button").textContent = state === "out" ? "Log in again" : "Try now";
	$("banner-button").onclick = () => (state === "out" ? location.reload() : jmap.retry());
	if (state === "live" && broken) $("news").textContent = "Connected again.";
	broken = state !== "live";
}
addEventListener("online", () => jmap?.retry());

// changed comes with the types that changed, null for whatever there is.
function changed(types) {
	if (!sync) return;
	if (!types || types.Email || types.Mailbox) sync.run();
	if (types?.EmailSubmission) reader.sent().catch(fail);
	if (!types || types.Identity) compose.identities().catch(fail);
}

// open reads a row; a draft is gone on with.
async function open(email) {
	if (email.keywords.$draft && !list.collapsed) return compose.resume(email.id);
	await reader.open(email);
}

// done closes what was read when it goes elsewhere, and leads to the next row.
function done(emails) {
	const ids = new Set(emails.map((e) => e.id));
	if (!reader.email || !reader.letters.some((l) => ids.has(l.email.id))) return;
	const all = list.emails, at = all.findIndex((e) => list.key(e) === list.key(reader.email));
	reader.close();
	const next = all[at + 1] ?? all[at - 1];
	if (next) list.rows.focus(list.key(next));
}

function selected() {
	const n = list?.rows?.chosen.size ?? 0;
	$("bulk").hidden = n === 0;
	$("list-head").hidden = n > 0;
	$("bulk-count").textContent = n ? `${n} selected` : "";
}

// targets are what an action is for: what is selected, else what is read, else the row with the focus.
const targets = () => (list.rows.chosen.size || !reader.email ? list.rows.targets() : reader.emails());

async function act(name, letter = reader.current) {
	switch (name) {
	case "reply": case "replyall": return letter && compose.reply(await whole(letter), name === "replyall");
	case "forward": return letter && compose.forward(await whole(letter));
	case "takeback": return takeBack(letter);
	case "edit": return compose.resume(letter.email.id);
	case "archive": return actions.to("archive", targets());
	case "trash": return actions.remove(targets());
	case "junk": return actions.spam(targets());
	case "move": return actions.choose(targets());
	case "flag": return actions.flag(targets());
	case "unread": return unread();
	case "clear": return list.rows.all(false);
	}
}

// takeBack makes a letter that waits to be sent a draft again, which is gone on with.
async function takeBack(letter) {
	await cancel(jmap, boxes, letter.submission.id);
	await compose.resume(letter.submission.emailId);
}

async function whole(letter) {
	if (!letter.open) await letter.show();
	return letter.email;
}

// unread turns round whether what is selected was read; what is being read becomes unread and is closed.
async function unread() {
	const all = targets();
	if (list.rows.chosen.size || !reader.email) return actions.seen(all);
	reader.close();
	await actions.seen(all.slice(-1), false);
}

for (const b of $("bulk").querySelectorAll("button")) b.onclick = () => act(b.dataset.action).catch(fail);

$("search").onkeydown = (ev) => {
	if (ev.key === "Enter") list.search($("search").value).catch(fail);
	else if (ev.key === "Escape") $("search").blur();
	else if (ev.key === "ArrowDown") { ev.preventDefault(); list.rows.move(0); }
};
$("search").onsearch = () => { if (!$("search").value && list.words) list.search("").catch(fail); };
$("write").onclick = () => compose.open();
$("menu").onclick = () => show(view() === "boxes" ? "list" : "boxes");
onBack(() => { if (reader) reader.close(); show("list"); });
for (const name of ["dragover", "drop"]) addEventListener(name, (ev) => ev.preventDefault()); // a file is no page to go to
addEventListener("beforeunload", (ev) => { if (compose?.changed) ev.preventDefault(); });
$("help-open").onclick = () => $("help").showModal();
$("help-close").onclick = () => $("help").close();
$("logout").onclick = () => location.reload();

const out = () => {
	if (list.rows.chosen.size) list.rows.all(false);
	else reader.close();
};

const table = [
	[["j", "ArrowDown"], "next message", () => list.rows.move(1)],
	[["k", "ArrowUp"], "previous message", () => list.rows.move(-1)],
	[["u", "Escape"], "back to the list, or select nothing", out],
	[["x"], "select", () => list.rows.toggle()],
	[["J"], "select, and the next one too", () => list.rows.extend(1)],
	[["K"], "select, and the previous one too", () => list.rows.extend(-1)],
	[["c"], "write", () => compose.open()],
	[["r"], "reply", () => act("reply")],
	[["a"], "reply to all", () => act("replyall")],
	[["f"], "forward", () => act("forward")],
	[["e"], "archive", () => act("archive")],
	[["#", "Delete"], "delete", () => act("trash")],
	[["!"], "spam, or not spam", () => act("junk")],
	[["v"], "move to a mailbox", () => act("move")],
	[["s"], "flag", () => act("flag")],
	[["m"], "mark as unread, or as read", () => act("unread")],
	[["z"], "undo", () => revert()],
	[["p"], "who may write", () => contacts?.open()],
	[["/"], "search", () => { $("search").focus(); $("search").select(); }],
	[["?"], "this help", () => $("help").showModal()],
];
keys(table.map(([names, what, run]) => [names, what, () => list && run()]), fail);
