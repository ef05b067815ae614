// A conversation: its letters, the oldest first, those that were read before closed.
import { $, el, shown } from "./dom.js";
import { icon } from "./icons.js";
import { from } from "./jmap.js";
import { Letter, head, values, whole } from "./letter.js";
import { same } from "./mail.js";
import { submissions } from "./sending.js";
import { fail } from "./toast.js";
import { show, view } from "./view.js";

const few = 4; // closed letters in the middle that are not worth hiding

export class Reader {
	email = null; // that of the row which is read
	letters = [];
	current = null; // the letter that is answered

	constructor(jmap, boxes, list, { act }) {
		Object.assign(this, { jmap, boxes, list, act });
	}

	// open reads a row of the list. One request brings the heads of the thread and the letters that are to be read.
	async open(email) {
		const asked = this.asked = Symbol("asked");
		const members = this.list.members(email), unread = members.filter((e) => !e.keywords.$seen);
		const wanted = [...new Set([...unread.slice(-10), members.at(-1), email].map((e) => e.id))];
		const answers = await this.jmap.call(["Email/get", { ids: wanted, properties: whole, ...values }],
			...(this.list.collapsed ? [["Thread/get", { ids: [email.threadId] }], ["Email/get", { "#ids": from(1, "Thread/get", "/list/*/emailIds"), properties: head }]] : []));
		if (asked !== this.asked) return;
		if (answers[0].list.length === 0) throw new Error("the message is not there any more");
		this.email = email;
		this.thread = answers[1]?.list[0]?.emailIds ?? [email.id];
		this.letters = [];
		this.current = null;
		this.#add(answers[2]?.list ?? answers[0].list, new Map(answers[0].list.map((e) => [e.id, e])));
		this.list.rows.select(this.list.key(email));
		show("reader");
		this.#draw();
		this.#read();
		await this.sent();
	}

	// sent shows what became of those letters that are the reader's own.
	async sent() {
		const own = (l) => [l.email, ...l.copies].find((e) => e.mailboxIds[this.boxes.role("sent")?.id]);
		const letters = this.letters.filter(own), asked = this.asked;
		const all = await submissions(this.jmap, letters.map((l) => own(l).id));
		if (asked !== this.asked) return;
		for (const l of letters) if (all.has(own(l).id)) l.sent(all.get(own(l).id));
	}

	// add makes letters of emails, in the order of the thread. Of what is in the trash or in junk only that is shown which
	// was asked for.
	#add(emails, bodies) {
		const hidden = (e) => Object.keys(e.mailboxIds).every((id) => ["trash", "junk"].includes(this.boxes.byId(id)?.role));
		const ordered = [...emails.filter((e) => bodies.has(e.id)), ...emails.filter((e) => !bodies.has(e.id))];
		for (const e of ordered) {
			if (!bodies.has(e.id) && hidden(e) || this.letters.some((l) => l.email.id === e.id)) continue;
			const twin = this.letters.find((l) => same(l.email, e));
			if (twin) twin.copies.push(e);
			else this.letters.push(new Letter(this.jmap, e, { act: this.act, opened: (l) => { this.current = l; }, fail }));
		}
		this.letters.sort((a, b) => this.thread.indexOf(a.email.id) - this.thread.indexOf(b.email.id));
		for (const l of this.letters) if (bodies.has(l.email.id) && !l.open) l.show(bodies.get(l.email.id));
	}

	#draw() {
		const action = (label, name, title) => el("button", { type: "button", class: "quiet", "data-action": name, title, click: () => this.act(name) }, icon(name), el("span", { class: "label" }, label));
		const junk = this.boxes.role("junk"), spam = junk && this.emails().every((e) => e.mailboxIds[junk.id]);
		$("reader").replaceChildren(
			el("div", { class: "row actions", role: "toolbar", "aria-label": "Conversation" },
				el("button", { type: "button", class: "quiet back", "aria-label": "Back to the list", click: () => this.close() }, icon("back")),
				action("Archive", "archive", "Archive (e)"), action("Delete", "trash", "Delete (#)"), action(spam ? "Not spam" : "Spam", "junk", "Spam, or not (!)"),
				action("Move", "move", "Move to a mailbox (v)"), action("Flag", "flag", "Flag, or take the flag away (s)"), action("Unread", "unread", "Mark as unread (m)")),
			el("h2", { tabindex: "-1" }, shown(this.email.subject || this.letters[0]?.email.subject) || "(no subject)"),
			el("div", { id: "letters" }, ...this.letters.map((l) => l.element)));
		this.#fold();
		$("reader").scrollTop = 0;
		const first = this.letters.find((l) => l.open);
		if (this.letters.indexOf(first) > 1) first.element.scrollIntoView({ block: "start" });
		if (!$("list").offsetParent) $("reader").querySelector("h2").focus({ preventScroll: true }); // what had the focus is not seen any more
	}

	// fold hides all but the first and the last of many closed letters behind one button.
	#fold() {
		const hidden = this.letters.slice(0, this.letters.findIndex((l) => l.open)).slice(1, -1);
		if (hidden.length < few) return;
		for (const l of hidden) l.element.hidden = true;
		const button = el("button", { type: "button", id: "older", click: () => {
			for (const l of hidden) l.element.hidden = false;
			button.remove();
			hidden[0].element.querySelector("button").focus();
		} }, `${hidden.length} more letters`);
		this.letters[0].element.after(button);
	}

	// read marks what is open as read, with the copies of it.
	#read() {
		const patches = {};
		for (const l of this.letters.filter((x) => x.open)) {
			for (const e of [l.email, ...l.copies]) if (!e.keywords.$seen && !e.keywords.$draft) patches[e.id] = { "keywords/$seen": true };
		}
		if (Object.keys(patches).length) this.jmap.update(patches).catch(fail);
	}

	// emails are those that an action is for.
	emails() { return this.email ? this.list.members(this.email) : []; }

	// changed shows what became of the letters, and those that came.
	async changed(mail, ids, destroyed) {
		if (!this.email) return;
		const asked = this.asked, gone = new Set(destroyed);
		if (this.letters.every((l) => gone.has(l.email.id))) return this.close();
		for (const l of this.letters.filter((x) => gone.has(x.email.id))) l.element.remove();
		this.letters = this.letters.filter((l) => !gone.has(l.email.id));
		for (const l of this.letters) if (ids.includes(l.email.id) && mail.emails.has(l.email.id)) l.update({ keywords: mail.emails.get(l.email.id).keywords, mailboxIds: mail.emails.get(l.email.id).mailboxIds });
		const fresh = this.list.collapsed ? ids.filter((id) => mail.emails.get(id)?.threadId === this.email.threadId && !this.letters.some((l) => [l.email, ...l.copies].some((e) => e.id === id))) : [];
		if (!fresh.length) return;
		const [r] = await this.jmap.call(["Email/get", { ids: fresh, properties: whole, ...values }]);
		if (asked !== this.asked) return;
		this.thread = mail.threads.get(this.email.threadId) ?? [...this.thread, ...fresh];
		const current = this.current;
		this.#add(r.list, new Map(r.list.map((e) => [e.id, e])));
		this.current = current;
		this.#read();
		for (const l of this.letters) if (!l.element.isConnected) $("letters").insertBefore(l.element, this.letters[this.letters.indexOf(l) + 1]?.element ?? null);
	}

	close() {
		this.asked = null;
		const key = this.email && this.list.key(this.email);
		this.email = this.current = null;
		this.letters = [];
		this.list.rows.select(null);
		$("reader").replaceChildren(el("p", { class: "hint" }, "Choose a message to read it."));
		if (view() === "reader") show("list");
		if (key) this.list.rows.focus(key);
	}
}
