// What the server pushes: one request asks what changed, and only that is shown anew.
import { $, who } from "./dom.js";
import { from } from "./jmap.js";
import { brief, shown } from "./mail.js";
import { fail } from "./toast.js";

const most = 200; // changes at a time; more are asked for again

export class Sync {
	#running = null;
	#again = false;

	constructor(jmap, mail, boxes, list, { moved }) {
		Object.assign(this, { jmap, mail, boxes, list, moved });
	}

	// run brings all up to date. What is pushed meanwhile is asked for right after it.
	run() {
		if (this.#running) {
			this.#again = true;
			return this.#running;
		}
		this.#running = this.#all().catch(fail).finally(() => { this.#running = null; });
		return this.#running;
	}

	async #all() {
		do {
			this.#again = false;
			while (await this.#once());
		} while (this.#again);
	}

	// once asks for changes and reports whether there are more.
	async #once() {
		const { mail, boxes, list } = this, state = list.state, asked = list.asked;
		if (!mail.state) return false; // no list is there yet
		const calls = [
			["Email/changes", { sinceState: mail.state, maxChanges: most }],
			["Email/get", { "#ids": from(0, "Email/changes", "/created"), properties: shown }],
			["Email/get", { "#ids": from(0, "Email/changes", "/updated"), properties: shown }],
			["Thread/get", { "#ids": from(1, "Email/get", "/list/*/threadId") }],
			["Thread/get", { "#ids": from(2, "Email/get", "/list/*/threadId") }],
			["Email/get", { "#ids": from(3, "Thread/get", "/list/*/emailIds"), properties: brief }],
			["Email/get", { "#ids": from(4, "Thread/get", "/list/*/emailIds"), properties: brief }],
			["Mailbox/changes", { sinceState: boxes.state }],
			["Mailbox/get", { "#ids": from(7, "Mailbox/changes", "/created") }],
			["Mailbox/get", { "#ids": from(7, "Mailbox/changes", "/updated"), "#properties": from(7, "Mailbox/changes", "/updatedProperties") }],
		];
		if (state) calls.push(["Email/queryChanges", { ...list.query(), sinceQueryState: state, maxChanges: most }]);
		const [emails, created, updated, ...rest] = await this.jmap.ask(...calls);
		const [threads, more, briefs, others, boxChanges, newBoxes, oldBoxes, query] = rest;
		await this.#mailboxes(boxChanges, newBoxes, oldBoxes);
		const known = new Set(mail.emails.keys());
		if (emails instanceof Error) mail.clear();
		else {
			mail.take(threads, more, briefs, others, created, updated);
			mail.forget(emails.destroyed);
			mail.state = emails.newState;
		}
		if (asked === list.asked) await this.#list(emails, state, query);
		if (emails instanceof Error) return false;
		this.#tell(created, known);
		this.moved([...emails.created, ...emails.updated], emails.destroyed);
		return emails.hasMoreChanges;
	}

	async #mailboxes(changes, ...gets) {
		if (changes instanceof Error || gets.some((g) => g instanceof Error)) this.boxes.replace((await this.jmap.call(["Mailbox/get", {}]))[0]);
		else this.boxes.change(changes, ...gets);
	}

	// list brings the list up to date; where its changes cannot be told, it is asked for anew.
	async #list(emails, state, query) {
		const { mail, list } = this;
		if (emails instanceof Error || !state || list.state === state && !(await list.apply(query))) return list.load();
		const missing = list.ids.filter((id) => !mail.emails.get(id)?.receivedAt);
		if (missing.length) {
			const asked = list.asked;
			mail.take(...(await this.jmap.call(["Email/get", { ids: missing.slice(0, 500), properties: shown }])));
			if (asked !== list.asked) return;
		}
		list.draw();
	}

	// tell says what is new, once.
	#tell(created, known) {
		if (created instanceof Error) return;
		const here = (e) => this.boxes.role("inbox") && e.mailboxIds[this.boxes.role("inbox").id];
		const fresh = created.list.filter((e) => !known.has(e.id) && !e.keywords.$seen && !e.keywords.$draft && (here(e) || e.mailboxIds[this.boxes.current.id]));
		if (fresh.length === 1) $("news").textContent = `New message from ${who(fresh[0].from)}: ${fresh[0].subject ?? ""}`;
		else if (fresh.length > 1) $("news").textContent = `${fresh.length} new messages`;
	}
}
