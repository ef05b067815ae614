// One message. Its HTML comes from the server, cleaned, in a frame of an origin of its own.
import { $, el, full, links, size } from "./dom.js";

const wanted = ["id", "blobId", "mailboxIds", "keywords", "from", "to", "cc", "replyTo", "subject", "receivedAt", "messageId", "references", "textBody", "htmlBody", "attachments", "bodyValues"];

export class Reader {
	email = null;

	constructor(jmap, list, { reply }) {
		Object.assign(this, { jmap, list, reply });
	}

	async open(id) {
		const asked = this.asked = Symbol("asked");
		const [r] = await this.jmap.call(["Email/get", { ids: [id], properties: wanted, fetchTextBodyValues: true, maxBodyValueBytes: 1_000_000 }]);
		if (asked !== this.asked || r.list.length === 0) return;
		this.email = r.list[0];
		this.list.select(id);
		document.body.dataset.view = "reader";
		this.draw();
		if (!this.email.keywords.$seen) await this.jmap.set({ update: { [id]: { "keywords/$seen": true } } });
	}

	close() {
		this.asked = null;
		const id = this.email?.id;
		this.email = null;
		this.list.select(null);
		$("reader").replaceChildren(el("p", { class: "hint" }, "Choose a message to read it."));
		document.body.dataset.view = "list";
		if (id) this.list.button(id)?.focus();
	}

	draw() {
		const e = this.email;
		const action = (label, key, run, title) => el("button", { type: "button", "data-action": key, title, click: run }, label);
		const line = (label, list) => (list?.length ? [el("dt", {}, label), el("dd", {}, full(list))] : []);
		this.body = el("div", { class: "body" });
		$("reader").replaceChildren(
			el("div", { class: "row actions", role: "toolbar", "aria-label": "Message" },
				el("button", { type: "button", class: "narrow", "aria-label": "Back to the list", click: () => this.close() }, "←"),
				action("Reply", "reply", () => this.reply(e, this.text()), "Reply (r)"),
				action("Archive", "archive", () => this.move("archive"), "Archive (e)"),
				action("Trash", "trash", () => this.move("trash"), "Move to trash (#)"),
				action(e.keywords.$flagged ? "Unflag" : "Flag", "flag", () => this.flag(), "Flag (s)"),
				action("Unread", "unread", () => this.unread(), "Mark as unread (m)"),
				action("Source", "source", () => this.save(e.blobId, "message.eml", "message/rfc822"), "Save the message as it came")),
			el("h2", {}, e.subject || "(no subject)"),
			el("dl", { class: "head" }, ...line("From", e.from), ...line("To", e.to), ...line("Cc", e.cc), el("dt", {}, "Date"), el("dd", {}, new Date(e.receivedAt).toLocaleString())),
			this.files(),
			this.body);
		const html = e.htmlBody.some((p) => p.type === "text/html");
		if (html) this.html(false).catch((error) => this.fail(error));
		else this.body.append(el("div", { class: "text" }, ...links(this.text())));
	}

	text() {
		return this.email.textBody.filter((p) => p.type === "text/plain").map((p) => this.email.bodyValues[p.partId]?.value ?? "").join("\n");
	}

	async html(images) {
		const e = this.email;
		const made = await (await this.jmap.fetch("/webmail/body", { method: "POST", headers: { "Content-Type": "application/json" },
			body: JSON.stringify({ accountId: this.jmap.account, emailId: e.id, images }) })).json();
		if (this.email !== e) return;
		const bar = el("div", { class: "row bar" });
		if (made.remote > 0 && !images) {
			bar.append(el("span", { id: "remote" }, made.remote === 1 ? "A picture from elsewhere is not shown: fetching it tells its server that you read this." :
				`${made.remote} pictures from elsewhere are not shown: fetching them tells their servers that you read this.`),
				el("button", { type: "button", "data-action": "images", click: () => this.html(true).catch((error) => this.fail(error)) }, "Show them"));
		}
		if (this.email.textBody.some((p) => p.type === "text/plain")) {
			bar.append(el("button", { type: "button", "data-action": "text", click: () => this.body.replaceChildren(el("div", { class: "text" }, ...links(this.text()))) }, "As plain text"));
		}
		this.body.replaceChildren(bar, el("iframe", { sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer", title: "Text of the message", src: made.url }));
	}

	files() {
		const all = this.email.attachments.filter((a) => a.disposition !== "inline" || !a.cid);
		if (all.length === 0) return "";
		return el("ul", { class: "files", "aria-label": "Attachments" }, ...all.map((a) => el("li", {},
			el("button", { type: "button", click: () => this.save(a.blobId, a.name || "attachment", a.type) }, `${a.name || a.type} (${size(a.size)})`))));
	}

	// save hands a blob to the browser, which saves it: nothing that came by mail is opened as a page of this origin.
	async save(blobId, name, type) {
		const blob = await this.jmap.download(blobId, name, type);
		const url = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
		el("a", { href: url, download: name }).click();
		setTimeout(() => URL.revokeObjectURL(url), 10_000);
	}

	async move(role) {
		const to = this.list.role(role);
		const e = this.email;
		if (!e || !to) return;
		this.close();
		await this.jmap.set({ update: { [e.id]: { mailboxIds: { [to.id]: true } } } });
	}

	async flag() {
		const e = this.email;
		if (!e) return;
		const on = !e.keywords.$flagged;
		await this.jmap.set({ update: { [e.id]: { "keywords/$flagged": on || null } } });
		if (on) e.keywords.$flagged = true;
		else delete e.keywords.$flagged;
		const button = $("reader").querySelector("[data-action=flag]");
		if (this.email === e && button) button.textContent = on ? "Unflag" : "Flag";
	}

	async unread() {
		const e = this.email;
		if (!e) return;
		this.close();
		await this.jmap.set({ update: { [e.id]: { "keywords/$seen": null } } });
	}

	fail(error) { this.body.replaceChildren(el("p", { role: "alert" }, `This cannot be shown: ${error.message}.`)); }
}
