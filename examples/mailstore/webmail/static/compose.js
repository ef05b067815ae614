// Writing: a message with attachments, kept as a draft while it is written, sent, or discarded.
import { write } from "./address.js";
import { forward, mine, reply } from "./answers.js";
import { words } from "./body.js";
import { $, el, full, size } from "./dom.js";
import { Draft } from "./drafts.js";
import { values, whole } from "./letter.js";
import { cancel } from "./sending.js";
import { toast } from "./toast.js";

const pause = 1500; // ms without a change after which the draft is saved
const fields = ["to", "cc", "bcc", "subject", "text"];
const empty = { to: "", cc: "", bcc: "", subject: "", text: "", files: [], headers: {}, identity: 0, title: "New message", answers: null };

export class Compose {
	files = [];
	headers = {};
	answers = null;

	constructor(jmap, boxes) {
		Object.assign(this, { jmap, boxes });
		const form = $("compose-form");
		form.onsubmit = (ev) => { ev.preventDefault(); this.send(); };
		form.oninput = () => this.#touch();
		$("from").onchange = () => this.#sign();
		$("more-fields").onclick = () => { this.#copies(true); $("cc").focus(); };
		$("compose-close").onclick = () => this.close();
		$("discard").onclick = () => this.discard();
		$("attach").onchange = () => this.attach([...$("attach").files]);
		const dialog = $("compose");
		dialog.addEventListener("cancel", (ev) => { ev.preventDefault(); this.close(); });
		dialog.addEventListener("keydown", (ev) => { if (ev.key === "Enter" && (ev.ctrlKey || ev.metaKey)) { ev.preventDefault(); this.send(); } });
		dialog.addEventListener("dragover", (ev) => ev.preventDefault());
		dialog.addEventListener("drop", (ev) => { ev.preventDefault(); this.attach([...ev.dataTransfer.files]); });
		$("send").disabled = !jmap.maySend;
		$("later").hidden = jmap.maxDelay < 3600;
		$("later").onclick = () => this.#later();
		$("schedule-send").onclick = () => this.send(true);
		if (!jmap.maySend) $("send").title = "This server sends no mail: start it with -submit";
	}

	// identities reads who one may write as.
	async identities() {
		const own = { id: "", name: "", email: this.jmap.session.username };
		this.ids = this.jmap.maySend ? (await this.jmap.call(["Identity/get", {}]))[0].list.filter((i) => !i.email.startsWith("*")) : [];
		if (this.ids.length === 0) this.ids = [own];
	}

	#from() {
		this.own = this.ids; // until the next message
		$("from").replaceChildren(...this.ids.map((i, n) => el("option", { value: String(n) }, full([i]))));
		$("from-row").hidden = this.ids.length < 2;
	}

	// begin opens the dialog with what is given, draft being the email that it was kept in. sign adds a signature.
	begin(given = {}, draft = null, sign = !draft) {
		this.#from();
		const w = { ...empty, ...given };
		for (const f of fields) $(f).value = w[f];
		this.draft = new Draft(this.jmap, this.boxes);
		this.draft.id = draft;
		Object.assign(this, { files: w.files, headers: w.headers, answers: w.answers, signature: "", changed: false });
		$("from").value = String(w.identity);
		$("compose-title").textContent = w.title;
		$("compose-error").textContent = $("compose-status").textContent = "";
		$("schedule").hidden = true;
		this.#copies(Boolean(w.cc || w.bcc));
		if (sign) this.#sign();
		this.#files();
		if (!$("compose").open) $("compose").showModal();
		($("to").value ? $("text") : $("to")).focus();
		$("text").setSelectionRange(0, 0);
		$("text").scrollTop = 0;
	}

	open() { this.begin(); }

	async reply(email, all) {
		this.begin(reply(email, await words(this.jmap, email), this.ids, all));
	}

	async forward(email) {
		this.begin(forward(email, await words(this.jmap, email), this.ids));
	}

	// resume goes on with a draft.
	async resume(id) {
		const [r] = await this.jmap.call(["Email/get", { ids: [id], properties: [...whole, "inReplyTo"], ...values }]);
		const e = r.list[0];
		if (!e) throw new Error("the draft is not there any more");
		if (Object.values(e.bodyValues).some((v) => v.isTruncated)) throw new Error("the draft is too long to be edited here");
		this.begin({ title: "Draft", to: write(e.to), cc: write(e.cc), bcc: write(e.bcc), subject: e.subject ?? "", text: await words(this.jmap, e), identity: mine(this.ids, { from: e.from }),
			files: e.attachments.map(({ blobId, type, name, size: n }) => ({ blobId, type, name: name || "attachment", size: n, state: "" })),
			headers: { inReplyTo: e.inReplyTo, references: e.references } }, id);
	}

	#copies(shown) {
		$("copies").hidden = !shown;
		$("more-fields").hidden = shown;
	}

	// sign puts the signature of the identity in place of that of the last one.
	#sign() {
		const own = this.own[Number($("from").value)], next = own.textSignature ? `\n\n-- \n${own.textSignature}` : "";
		const text = $("text").value, quote = text.search(/\n\n(On .*wrote:\n>|---------- Forwarded)/);
		if (this.signature && text.includes(this.signature)) $("text").value = text.replace(this.signature, () => next);
		else if (next) $("text").value = quote < 0 ? text + next : text.slice(0, quote) + next + text.slice(quote);
		this.signature = next;
	}

	async attach(files) {
		$("attach").value = "";
		for (const file of files) {
			const entry = { name: file.name, size: file.size, state: "uploading" };
			this.files = [...this.files, entry];
			this.#files();
			try {
				Object.assign(entry, await this.jmap.upload(file), { name: file.name, state: "", uploaded: true });
				this.#touch();
			} catch (e) {
				entry.state = e.message;
			}
			this.#files();
		}
	}

	#files() {
		$("files").replaceChildren(...this.files.map((f) => el("li", {}, `${f.name} (${size(f.size)}) ${f.state}`,
			el("button", { type: "button", "aria-label": `Remove ${f.name}`, click: () => { this.files = this.files.filter((x) => x !== f); this.#files(); this.#touch(); } }, "×"))));
	}

	#written() {
		const w = { from: this.own[Number($("from").value)] ?? this.own[0], files: this.files, headers: this.headers, answers: this.answers };
		for (const f of fields) w[f] = $(f).value;
		return w;
	}

	// touch saves the draft when nothing is written for a while.
	#touch() {
		this.changed = true;
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.#save(), pause);
	}

	async #save() {
		clearTimeout(this.timer);
		if (!this.changed) return true;
		this.changed = false;
		const draft = this.draft;
		try {
			await draft.save(this.#written());
			if (draft === this.draft) $("compose-status").textContent = `Saved at ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
			return true;
		} catch (e) {
			this.changed = true;
			if (draft === this.draft) {
				$("compose-status").textContent = `Not saved: ${e.message}`;
				this.timer = setTimeout(() => this.#save(), 4 * pause);
			}
			return false;
		}
	}

	// close keeps the draft. It stays open where that fails.
	async close() {
		const kept = this.changed || this.draft.id;
		if (!(await this.#save())) return;
		$("compose").close();
		if (kept) toast("Saved as a draft.");
	}

	async discard() {
		clearTimeout(this.timer);
		const w = this.#written(), given = { ...w, identity: Number($("from").value) || 0, title: $("compose-title").textContent }, had = this.changed || this.draft.id;
		let kept = null;
		try {
			kept = await this.draft.discard();
		} catch (e) {
			$("compose-error").textContent = `Not discarded: ${e.message}`;
			return;
		}
		this.changed = false;
		$("compose").close();
		if (had) toast("Discarded.", () => { this.begin(given, kept, false); this.#touch(); });
	}

	// later asks when the letter is to be sent.
	#later() {
		const soon = new Date(Date.now() + 3_600_000);
		soon.setMinutes(soon.getMinutes() - soon.getTimezoneOffset(), 0, 0);
		$("at").value = soon.toISOString().slice(0, 16);
		$("schedule").hidden = false;
		$("at").focus();
	}

	#at() {
		const at = new Date($("at").value), most = this.jmap.maxDelay;
		if (!(at > Date.now())) throw new Error("the time has to be one to come");
		if (at - Date.now() > most * 1000) throw new Error(`it can be held for ${Math.floor(most / 86_400)} days at most`);
		return at;
	}

	// sent says so, with the way back as long as there is one.
	#sent({ email, submission }, at) {
		if (submission.undoStatus !== "pending") return toast("Sent.");
		toast(at ? `To be sent ${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}.` : "Sending …", async () => {
			await cancel(this.jmap, this.boxes, submission.id);
			await this.resume(email);
		});
	}

	async send(scheduled = false) {
		if (!this.jmap.maySend || this.sending) return;
		clearTimeout(this.timer);
		$("compose-error").textContent = "";
		this.sending = true;
		$("send").disabled = true;
		try {
			if (this.files.some((f) => f.state)) throw new Error("an attachment is not uploaded");
			const at = scheduled ? this.#at() : null, sent = await this.draft.send(this.#written(), at);
			this.changed = false;
			$("compose").close();
			this.#sent(sent, at);
		} catch (e) {
			this.changed = true;
			$("compose-error").textContent = `Not sent: ${e.message}`;
		} finally {
			this.sending = false;
			$("send").disabled = false;
		}
	}
}
