// What is done to emails, one or many, and how it is taken back.
import { $, el } from "./dom.js";
import { icon } from "./icons.js";
import { refused } from "./jmap.js";
import { toast } from "./toast.js";

const gone = { archive: "Archived", trash: "Moved to trash", junk: "Marked as spam", inbox: "Moved to the inbox" };

export class Actions {
	constructor(jmap, boxes, list, { done }) {
		Object.assign(this, { jmap, boxes, list, done });
		$("move-close").onclick = () => $("move").close();
		$("move-filter").oninput = () => this.#targets();
		$("move-form").onsubmit = (ev) => { ev.preventDefault(); $("move-boxes").querySelector("button")?.click(); };
	}

	// change patches emails, says what was done, and offers to put everything back as it was.
	async #change(emails, patch, text) {
		if (emails.length === 0) return;
		const before = {}, patches = {};
		for (const e of emails) {
			before[e.id] = { mailboxIds: { ...e.mailboxIds }, keywords: { ...e.keywords } };
			patches[e.id] = patch(e);
		}
		this.list.rows.all(false);
		await this.jmap.update(patches);
		if (text) toast(emails.length > 1 ? `${text}: ${emails.length} messages.` : `${text}.`, () => this.jmap.update(before));
	}

	// move takes emails out of the mailbox that is shown, what a search found out of all, and puts them into another.
	async move(emails, to, text, keywords = {}) {
		const here = this.list.words ? null : this.boxes.current.id;
		emails = emails.filter((e) => !(e.mailboxIds[to.id] && Object.keys(e.mailboxIds).length === 1) || Object.keys(keywords).length);
		this.done(emails);
		await this.#change(emails, (e) => ({ ...(here && e.mailboxIds[here] ? { [`mailboxIds/${here}`]: null, [`mailboxIds/${to.id}`]: true } : { mailboxIds: { [to.id]: true } }), ...keywords }), text);
	}

	async to(role, emails) {
		const to = this.boxes.role(role);
		if (!to) throw new Error(`there is no mailbox for ${role}`);
		await this.move(emails, to, gone[role]);
	}

	// remove moves to the trash; what is there already ends, if the user says so.
	async remove(emails) {
		const trash = this.boxes.role("trash");
		if (!emails.length) return;
		if (trash && !emails.every((e) => e.mailboxIds[trash.id])) return this.to("trash", emails);
		if (!(await sure(emails.length === 1 ? "This message is deleted for good." : `${emails.length} messages are deleted for good.`))) return;
		this.done(emails);
		refused((await this.jmap.call(["Email/set", { destroy: emails.map((e) => e.id) }]))[0]);
		toast("Deleted.");
	}

	// spam tells the filter that emails are spam, or, of those in Junk, that they are not.
	async spam(emails) {
		const junk = this.boxes.role("junk");
		if (!junk) throw new Error("there is no mailbox for junk");
		const is = emails.every((e) => e.mailboxIds[junk.id]);
		await this.move(emails, is ? this.boxes.role("inbox") : junk, is ? "Not spam" : gone.junk, { "keywords/$junk": is ? null : true, "keywords/$notjunk": is ? true : null });
	}

	// flag flags the newest, or takes all flags away.
	async flag(emails) {
		const on = !emails.some((e) => e.keywords.$flagged);
		await this.#change(on && !this.list.rows.chosen.size ? emails.slice(-1) : emails.filter((e) => on || e.keywords.$flagged), () => ({ "keywords/$flagged": on || null }));
	}

	async seen(emails, on = emails.some((e) => !e.keywords.$seen)) {
		await this.#change(emails, () => ({ "keywords/$seen": on || null }), on ? "Marked as read" : "Marked as unread");
	}

	// choose asks for a mailbox to move to.
	choose(emails) {
		if (!emails.length) return;
		this.chosen = emails;
		$("move-filter").value = "";
		this.#targets();
		$("move").showModal();
		$("move-filter").focus();
	}

	#targets() {
		const words = $("move-filter").value.trim().toLowerCase();
		const all = this.boxes.all.filter((b) => (this.list.words || b !== this.boxes.current) && this.boxes.path(b).toLowerCase().includes(words));
		$("move-boxes").replaceChildren(...(all.length ? all.map((b) => el("li", {}, el("button", { type: "button", class: "quiet", click: () => {
			$("move").close();
			this.move(this.chosen, b, `Moved to ${b.name}`).catch(this.fail);
		} }, icon(b.role), this.boxes.path(b)))) : [el("li", { class: "dim" }, "No mailbox has such a name.")]));
	}
}

// sure asks before what cannot be taken back.
function sure(text) {
	$("sure-text").textContent = text;
	$("sure").returnValue = "";
	$("sure").showModal();
	return new Promise((resolve) => { $("sure").onclose = () => resolve($("sure").returnValue === "yes"); });
}
