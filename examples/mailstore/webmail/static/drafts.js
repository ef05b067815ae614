// A draft as the server has it. Emails do not change, so each time it is saved a new one takes the place of the last.
import { parse } from "./address.js";
import { refused } from "./jmap.js";
import { envelope, when } from "./sending.js";

export class Draft {
	id = null; // of the email that has it now
	#saving = Promise.resolve();

	constructor(jmap, boxes) {
		Object.assign(this, { jmap, boxes });
	}

	// make makes an email of what is written. Addresses are checked when it is sent; until then those that are whole are
	// kept, and a text that is no address is kept as a name.
	#make(w, strict) {
		const read = (text) => (strict ? parse(text) : lenient(text));
		const drafts = this.boxes.role("drafts") ?? this.boxes.role("inbox");
		const email = { mailboxIds: { [drafts.id]: true }, keywords: { $seen: true, $draft: true }, from: [{ name: w.from.name || null, email: w.from.email }],
			subject: w.subject, bodyValues: { t: { value: w.text } }, textBody: [{ partId: "t", type: "text/plain" }] };
		for (const field of ["to", "cc", "bcc"]) {
			const list = read(w[field]);
			if (list.length) email[field] = list;
		}
		for (const field of ["inReplyTo", "references"]) if (w.headers[field]?.length) email[field] = w.headers[field];
		if (w.from.replyTo?.length) email.replyTo = w.from.replyTo;
		const files = w.files.filter((f) => f.blobId);
		if (files.length) email.attachments = files.map((f) => ({ blobId: f.blobId, type: f.type, name: f.name, disposition: "attachment" }));
		return email;
	}

	// One after the other: what is written later is saved later.
	#queue(run) {
		const done = this.#saving.then(run);
		this.#saving = done.catch(() => {});
		return done;
	}

	save(w) {
		return this.#queue(async () => {
			const [r] = await this.jmap.call(["Email/set", { create: { d: this.#make(w, false) } }]);
			refused(r);
			await this.#replace(r.created.d.id, w.files);
		});
	}

	// replace makes an email that was created the one that has the draft. The one before goes only then, and what was
	// attached to it is from now on that which is attached to the new one. What was uploaded stays.
	async #replace(id, files) {
		const old = this.id;
		this.id = id;
		if (!old) return;
		const [r] = await this.jmap.call(["Email/get", { ids: [id], properties: ["attachments"] }], ["Email/set", { destroy: [old] }]);
		const has = files.filter((f) => f.blobId), now = r.list[0]?.attachments ?? [];
		if (has.length === now.length) has.forEach((f, i) => { if (!f.uploaded) f.blobId = now[i].blobId; });
	}

	// send sends what is written, now or at a time, and files it in Sent, in one request; of the letter that it answers it is
	// noted. It returns the email and its submission.
	send(w, at = null) {
		return this.#queue(async () => {
			const sent = this.boxes.role("sent") ?? this.boxes.role("inbox");
			const email = this.#make(w, true);
			if (!email.to && !email.cc && !email.bcc) throw new Error("to whom?");
			const way = envelope(email, when(this.jmap, at));
			const [made, submitted] = await this.jmap.ask(["Email/set", { create: { d: email } }],
				["EmailSubmission/set", { create: { s: { emailId: "#d", identityId: w.from.id, ...(way && { envelope: way }) } }, onSuccessUpdateEmail: { "#s": { mailboxIds: { [sent.id]: true }, "keywords/$draft": null } } }]);
			if (made instanceof Error) throw made;
			refused(made);
			await this.#replace(made.created.d.id, w.files);
			if (submitted instanceof Error) throw submitted;
			refused(submitted);
			this.id = null;
			if (w.answers) await this.jmap.call(["Email/set", { update: { [w.answers.id]: { [`keywords/${w.answers.keyword}`]: true } } }]).catch(() => {}); // it was sent all the same
			return { email: made.created.d.id, submission: submitted.created.s };
		});
	}

	// discard puts the draft into the trash, from where it can be gone on with.
	discard() {
		return this.#queue(async () => {
			const trash = this.boxes.role("trash");
			if (this.id && trash) await this.jmap.set({ update: { [this.id]: { mailboxIds: { [trash.id]: true } } } });
			else if (this.id) await this.jmap.call(["Email/set", { destroy: [this.id] }]);
			return trash ? this.id : null;
		});
	}
}

function lenient(text) {
	try {
		return parse(text);
	} catch {
		return text.split(/[,;\n]/).map((s) => s.trim()).filter(Boolean).flatMap((s) => {
			try {
				return parse(s);
			} catch {
				return [];
			}
		});
	}
}
