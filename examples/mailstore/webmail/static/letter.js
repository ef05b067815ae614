// One letter of a conversation: a line of its head while it is closed, all of it when it is open.
import { el, full, shown, size, when, who } from "./dom.js";
import { icon } from "./icons.js";
import { body } from "./body.js";
import { status } from "./sending.js";

// head is what a closed letter shows, whole what an open one has besides.
export const head = ["id", "blobId", "threadId", "mailboxIds", "keywords", "from", "to", "cc", "bcc", "replyTo", "subject", "receivedAt", "preview", "messageId", "references"];
export const whole = [...head, "textBody", "htmlBody", "attachments", "bodyValues"];
export const values = { fetchTextBodyValues: true, maxBodyValueBytes: 1_000_000 };

export class Letter {
	open = false;
	copies = []; // the same letter again, as one has of what was sent to oneself

	submission = null; // what is known of its sending

	constructor(jmap, email, { act, opened, fail }) {
		Object.assign(this, { jmap, email, act, opened, fail });
		this.element = el("article", { class: "letter", "data-email": email.id, focusin: () => opened(this) });
		this.#draw();
	}

	// update takes what changed of the email.
	update(email) {
		const was = Boolean(this.email.keywords.$flagged), unread = !this.email.keywords.$seen, draft = this.email.keywords.$draft;
		Object.assign(this.email, email);
		if (draft !== this.email.keywords.$draft) this.#draw();
		else if (was !== Boolean(this.email.keywords.$flagged) || !this.open && unread !== !this.email.keywords.$seen) this.#top();
	}

	// sent shows what became of it.
	sent(submission) {
		this.submission = submission;
		if (this.open) this.#draw();
	}

	async show(email = null) {
		this.open = true;
		this.opened(this);
		if (email) Object.assign(this.email, email);
		else if (!this.email.bodyValues) {
			const [r] = await this.jmap.call(["Email/get", { ids: [this.email.id], properties: whole, ...values }]);
			if (r.list.length === 0) throw new Error("the message is not there any more");
			Object.assign(this.email, r.list[0]);
		}
		this.#draw();
	}

	#toggle() {
		this.open = !this.open;
		if (this.open) this.show().then(() => this.element.querySelector(".top").focus()).catch(this.fail);
		else {
			this.#draw();
			this.element.querySelector(".top").focus();
		}
	}

	#top() { this.element.firstChild?.replaceWith(this.#line()); }

	#line() {
		const e = this.email, draft = e.keywords.$draft;
		return el("button", { type: "button", class: e.keywords.$seen || this.open ? "top quiet" : "top quiet unread", "aria-expanded": String(this.open), click: () => this.#toggle() },
			el("span", { class: "from" }, draft ? el("span", { class: "draft" }, "Draft ") : "", who(e.from) || "(nobody)"),
			el("span", { class: "date" }, e.keywords.$flagged ? el("span", { class: "flag", role: "img", "aria-label": "flagged" }, "★") : "", el("time", { datetime: e.receivedAt }, when(e.receivedAt))),
			this.open ? "" : el("span", { class: "preview" }, e.preview || "(no text)"));
	}

	#draw() {
		this.element.classList.toggle("closed", !this.open);
		if (!this.open) {
			this.element.replaceChildren(this.#line());
			return;
		}
		const e = this.email;
		const line = (label, list) => (list?.length ? [el("dt", {}, label), el("dd", {}, full(list))] : []);
		this.element.replaceChildren(this.#line(),
			el("dl", { class: "head" }, ...line("From", e.from), ...line("To", e.to), ...line("Cc", e.cc), ...line("Bcc", e.bcc), ...line("Reply to", e.replyTo),
				el("dt", {}, "Date"), el("dd", {}, new Date(e.receivedAt).toLocaleString())),
			this.submission ? status(this.submission, () => this.act("takeback", this)) : "",
			this.#files(), body(this.jmap, e), this.#actions());
	}

	#actions() {
		const action = (label, name, key) => el("button", { type: "button", "data-action": name, title: key && `${label} (${key})`, click: () => this.act(name, this) }, icon(name), label);
		if (this.email.keywords.$draft) return el("div", { class: "row foot" }, el("button", { type: "button", class: "primary", "data-action": "edit", click: () => this.act("edit", this) }, "Go on writing"));
		return el("div", { class: "row foot", role: "toolbar", "aria-label": "Answer" }, action("Reply", "reply", "r"), action("Reply all", "replyall", "a"), action("Forward", "forward", "f"),
			el("button", { type: "button", class: "quiet", "data-action": "source", title: "Save the message as it came", click: () => this.#save(this.email.blobId, "message.eml", "message/rfc822") }, icon("source"), "Source"));
	}

	#files() {
		const all = this.email.attachments.filter((a) => a.disposition !== "inline" || !a.cid);
		if (all.length === 0) return "";
		return el("ul", { class: "files", "aria-label": "Attachments" }, ...all.map((a) => el("li", {},
			el("button", { type: "button", click: () => this.#save(a.blobId, shown(a.name) || "attachment", a.type) }, icon("clip"), `${shown(a.name) || a.type} (${size(a.size)})`))));
	}

	// save hands a blob to the browser, which saves it: nothing that came by mail is opened as a page of this origin.
	async #save(blobId, name, type) {
		try {
			const blob = await this.jmap.download(blobId, name, type);
			const url = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
			el("a", { href: url, download: name }).click();
			setTimeout(() => URL.revokeObjectURL(url), 10_000);
		} catch (e) {
			this.fail(e);
		}
	}
}
