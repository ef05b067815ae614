// Writing: a message with attachments, sent or kept as a draft.
import { $, el, full, size } from "./dom.js";
import { refused } from "./jmap.js";

// parse reads "Name <address>, address".
export function parse(text) {
	return text.split(/[,;\n]/).map((s) => s.trim()).filter(Boolean).map((s) => {
		const m = /^(?:"?([^"<]*?)"?\s*)<([^<>\s]+)>$/.exec(s);
		const email = m ? m[2] : s;
		if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new Error(`${s} is not an address`);
		return { name: m?.[1] || null, email };
	});
}

export class Compose {
	files = [];
	headers = {};

	constructor(jmap, list) {
		Object.assign(this, { jmap, list });
		$("compose-form").onsubmit = (ev) => { ev.preventDefault(); this.done(true); };
		$("draft").onclick = () => this.done(false);
		$("discard").onclick = () => { this.clear(); $("compose").close(); };
		$("attach").onchange = () => this.attach([...$("attach").files]);
		$("compose").addEventListener("keydown", (ev) => { if (ev.key === "Enter" && (ev.ctrlKey || ev.metaKey)) this.done(true); });
		$("send").disabled = !jmap.maySend;
		if (!jmap.maySend) $("send").title = "This server sends no mail: start it with -submit";
	}

	async identities() {
		if (this.ids) return;
		this.ids = this.jmap.maySend ? (await this.jmap.call(["Identity/get", {}]))[0].list : [];
		if (this.ids.length === 0) this.ids = [{ id: "", name: "", email: this.jmap.session.username }];
		$("from").replaceChildren(...this.ids.map((i, n) => el("option", { value: String(n) }, full([i]))));
	}

	clear() {
		for (const id of ["to", "cc", "subject", "text"]) $(id).value = "";
		this.files = [];
		this.headers = {};
		$("compose-error").textContent = "";
		$("compose-title").textContent = "New message";
		this.draw();
	}

	async open() {
		await this.identities();
		if (!$("compose").open) $("compose").showModal();
		($("to").value ? $("text") : $("to")).focus();
	}

	async reply(email, text) {
		this.clear();
		$("compose-title").textContent = "Reply";
		$("to").value = full(email.replyTo?.length ? email.replyTo : email.from);
		$("subject").value = /^re:/i.test(email.subject ?? "") ? email.subject : `Re: ${email.subject ?? ""}`;
		$("text").value = `\n\n${full(email.from)} wrote:\n${text.trimEnd().split("\n").map((l) => `> ${l}`).join("\n")}\n`;
		this.headers = { inReplyTo: email.messageId, references: email.messageId ? [...(email.references ?? []), ...email.messageId] : null };
		await this.open();
		$("text").setSelectionRange(0, 0);
	}

	async attach(files) {
		$("attach").value = "";
		for (const file of files) {
			const entry = { name: file.name, size: file.size, state: "uploading" };
			this.files.push(entry);
			this.draw();
			try {
				Object.assign(entry, await this.jmap.upload(file), { name: file.name, state: "" });
			} catch (e) {
				entry.state = e.message;
			}
			this.draw();
		}
	}

	draw() {
		$("files").replaceChildren(...this.files.map((f) => el("li", {}, `${f.name} (${size(f.size)}) ${f.state}`,
			el("button", { type: "button", "aria-label": `Remove ${f.name}`, click: () => { this.files = this.files.filter((x) => x !== f); this.draw(); } }, "×"))));
	}

	message(mailbox, draft) {
		const from = this.ids[Number($("from").value) || 0];
		const email = { mailboxIds: { [mailbox]: true }, keywords: { $seen: true, ...(draft ? { $draft: true } : {}) },
			from: [{ name: from.name || null, email: from.email }], to: parse($("to").value), subject: $("subject").value,
			bodyValues: { t: { value: $("text").value } }, textBody: [{ partId: "t", type: "text/plain" }] };
		const cc = parse($("cc").value);
		if (cc.length > 0) email.cc = cc;
		if (this.headers.inReplyTo) Object.assign(email, this.headers);
		if (this.files.some((f) => f.state)) throw new Error("an attachment is not uploaded");
		if (this.files.length > 0) email.attachments = this.files.map((f) => ({ blobId: f.blobId, type: f.type, name: f.name, disposition: "attachment" }));
		return { email, identityId: from.id };
	}

	async done(send) {
		if (send && !this.jmap.maySend) return;
		$("compose-error").textContent = "";
		try {
			const drafts = (this.list.role("drafts") ?? this.list.box).id, sent = (this.list.role("sent") ?? this.list.box).id;
			const { email, identityId } = this.message(drafts, true);
			if (send && email.to.length === 0) throw new Error("to whom?");
			const calls = [["Email/set", { create: { d: email } }]];
			if (send) {
				calls.push(["EmailSubmission/set", { create: { s: { emailId: "#d", identityId } },
					onSuccessUpdateEmail: { "#s": { mailboxIds: { [sent]: true }, "keywords/$draft": null } } }]);
			}
			(await this.jmap.call(...calls)).forEach(refused);
			$("news").textContent = send ? "Sent." : "Saved as a draft.";
			this.clear();
			$("compose").close();
		} catch (e) {
			$("compose-error").textContent = `Not ${send ? "sent" : "saved"}: ${e.message}`;
		}
	}
}
