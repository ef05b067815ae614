// The mailboxes, and the messages of one or of a search.
import { $, el, when, who } from "./dom.js";

const page = 50;
const shown = ["id", "threadId", "mailboxIds", "keywords", "from", "to", "subject", "receivedAt", "preview", "hasAttachment"];
const order = ["inbox", "drafts", "sent", "archive", "junk", "trash"];

export class List {
	boxes = [];
	emails = [];
	box = null;
	words = "";
	limit = page;

	constructor(jmap, { open }) {
		this.jmap = jmap;
		this.open = open;
		$("more").onclick = () => { this.limit += page; this.refresh(); };
	}

	role(role) { return this.boxes.find((b) => b.role === role); }

	async refreshBoxes() {
		const [r] = await this.jmap.call(["Mailbox/get", {}]);
		const rank = (b) => { const i = order.indexOf(b.role); return i < 0 ? order.length : i; };
		this.boxes = r.list.sort((a, b) => rank(a) - rank(b) || a.sortOrder - b.sortOrder || a.name.localeCompare(b.name));
		this.box ??= this.role("inbox") ?? this.boxes[0];
		$("boxes").replaceChildren(el("ul", {}, ...this.boxes.map((b) => el("li", {},
			el("button", { type: "button", "data-box": b.name, "aria-current": !this.words && b.id === this.box.id ? "page" : null, click: () => this.choose(b) },
				el("span", {}, b.role === "inbox" ? "Inbox" : b.name),
				b.unreadEmails ? el("span", { class: "count", "aria-label": `${b.unreadEmails} unread` }, String(b.unreadEmails)) : "")))));
	}

	async choose(box) {
		this.box = box;
		this.words = "";
		$("search").value = "";
		this.limit = page;
		document.body.dataset.view = "list";
		await Promise.all([this.refreshBoxes(), this.refresh()]);
	}

	async search(words) {
		this.words = words.trim();
		this.limit = page;
		document.body.dataset.view = "list";
		await Promise.all([this.refreshBoxes(), this.refresh()]);
	}

	filter() {
		if (!this.words) return { inMailbox: this.box.id };
		return { operator: "AND", conditions: this.words.split(/\s+/).map((text) => ({ text })) };
	}

	// refresh shows the list as it is now: one round trip, and no more of each message than the list has.
	async refresh() {
		const asked = this.asked = Symbol("asked");
		const [q, g] = await this.jmap.call(
			["Email/query", { filter: this.filter(), sort: [{ property: "receivedAt", isAscending: false }], limit: this.limit, calculateTotal: true }],
			["Email/get", { "#ids": { resultOf: "0", name: "Email/query", path: "/ids" }, properties: shown }]);
		if (asked !== this.asked) return []; // another list was asked for meanwhile
		const before = new Set(this.emails.map((e) => e.id));
		const byId = new Map(g.list.map((e) => [e.id, e]));
		this.emails = q.ids.map((id) => byId.get(id)).filter(Boolean);
		$("list-title").textContent = this.words ? `Found: ${this.words}` : this.box.role === "inbox" ? "Inbox" : this.box.name;
		$("more").hidden = q.total <= this.emails.length;
		$("empty").hidden = this.emails.length > 0;
		this.draw();
		return this.emails.filter((e) => !before.has(e.id));
	}

	draw() {
		const focused = document.activeElement?.dataset?.id;
		$("messages").replaceChildren(...this.emails.map((e) => this.row(e)));
		if (focused) this.button(focused)?.focus();
	}

	row(e) {
		const unread = !e.keywords.$seen;
		const outgoing = e.keywords.$draft || this.box.role === "sent";
		const name = outgoing ? `To ${who(e.to)}` : who(e.from);
		return el("li", {}, el("button", { type: "button", class: unread ? "unread" : "", "data-id": e.id, "aria-current": this.current === e.id ? "true" : null, click: () => this.open(e.id) },
			el("span", { class: "from" }, unread ? el("span", { class: "unseen" }, "Unread. ") : "", name || "(nobody)"),
			el("span", { class: "date" }, e.keywords.$flagged ? el("span", { class: "flag", role: "img", "aria-label": "flagged" }, "★") : "",
				e.hasAttachment ? el("img", { src: "clip.svg", alt: "with attachments" }) : "", el("time", { datetime: e.receivedAt }, when(e.receivedAt))),
			el("span", { class: "subject" }, e.subject || "(no subject)"),
			el("span", { class: "preview" }, e.preview)));
	}

	button(id) { return [...$("messages").querySelectorAll("button")].find((b) => b.dataset.id === id); }

	select(id) {
		this.current = id;
		for (const b of $("messages").querySelectorAll("button")) {
			if (b.dataset.id === id) b.setAttribute("aria-current", "true");
			else b.removeAttribute("aria-current");
		}
	}

	// move moves the focus, and what is read where something is.
	move(by) {
		const at = this.emails.findIndex((e) => e.id === (document.activeElement?.dataset?.id ?? this.current));
		const next = this.emails[Math.max(0, Math.min(this.emails.length - 1, at < 0 ? 0 : at + by))];
		if (!next) return;
		if (document.body.dataset.view === "reader") this.open(next.id);
		else this.button(next.id)?.focus();
	}
}
