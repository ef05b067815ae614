// The page: log in, then mailboxes, list and reader, kept up to date by what the server pushes.
import { Compose } from "./compose.js";
import { Contacts } from "./contacts.js";
import { $, who } from "./dom.js";
import { Jmap } from "./jmap.js";
import { List } from "./list.js";
import { Reader } from "./reader.js";

let list, reader, compose, contacts;

$("login-form").onsubmit = async (ev) => {
	ev.preventDefault();
	$("login-error").textContent = "";
	try {
		await start($("name").value, $("password").value);
		$("password").value = "";
	} catch (e) {
		$("login-error").textContent = e.status === 401 ? "Name or password is wrong." : `Cannot log in: ${e.message}.`;
	}
};

async function start(name, password) {
	const jmap = new Jmap(name, password, { changed, live });
	await jmap.open();
	list = new List(jmap, { open: (id) => reader.open(id).catch(fail) });
	reader = new Reader(jmap, list, { reply: (email, text) => compose.reply(email, text).catch(fail) });
	compose = new Compose(jmap, list);
	contacts = jmap.hasContacts ? new Contacts(jmap) : null;
	await list.refreshBoxes();
	await list.refresh();
	await contacts?.count();
	$("login").hidden = true;
	$("app").hidden = false;
	$("messages").querySelector("button")?.focus();
}

function live(on) {
	$("live").textContent = on ? "live" : "offline";
	$("live").dataset.state = on ? "live" : "off";
}

function fail(e) { $("news").textContent = `That did not work: ${e.message}.`; }

// changed comes with the types that changed, null for whatever there is. What is pushed while a change is shown is shown
// right after it.
let showing = null, again = false;
async function changed(types) {
	if (!list || (types && !types.Email && !types.Mailbox)) return;
	if (showing) {
		again = true;
		return;
	}
	showing = show();
	await showing;
	showing = null;
	if (again) {
		again = false;
		changed(null);
	}
}

async function show() {
	try {
		await list.refreshBoxes();
		await contacts?.count();
		const fresh = (await list.refresh()).filter((e) => !e.keywords.$seen && !list.words);
		if (fresh.length === 1) $("news").textContent = `New message from ${who(fresh[0].from)}: ${fresh[0].subject ?? ""}`;
		else if (fresh.length > 1) $("news").textContent = `${fresh.length} new messages`;
	} catch (e) {
		fail(e);
	}
}

$("search").onkeydown = (ev) => {
	if (ev.key === "Enter") list.search($("search").value).catch(fail);
	else if (ev.key === "Escape") $("search").blur();
};
$("search").onsearch = () => { if (!$("search").value && list.words) list.search("").catch(fail); };
$("write").onclick = () => compose.open().catch(fail);
$("menu").onclick = () => { document.body.dataset.view = document.body.dataset.view === "boxes" ? "list" : "boxes"; };
$("help-open").onclick = () => $("help").showModal();
$("help-close").onclick = () => $("help").close();

const keys = {
	j: () => list.move(1),
	k: () => list.move(-1),
	ArrowDown: () => list.move(1),
	ArrowUp: () => list.move(-1),
	u: () => reader.close(),
	Escape: () => reader.close(),
	c: () => compose.open(),
	r: () => reader.email && compose.reply(reader.email, reader.text()),
	e: () => reader.move("archive"),
	"#": () => reader.move("trash"),
	s: () => reader.flag(),
	m: () => reader.unread(),
	p: () => contacts?.open(),
	"/": () => $("search").focus(),
	"?": () => $("help").showModal(),
};

document.addEventListener("keydown", (ev) => {
	if (!list || ev.ctrlKey || ev.metaKey || ev.altKey || document.querySelector("dialog[open]") || ev.target.closest("input, textarea, select")) return;
	const run = keys[ev.key];
	if (!run) return;
	ev.preventDefault();
	Promise.resolve(run()).catch(fail);
});
