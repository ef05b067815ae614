// The messages of a mailbox, by conversations, or those that a search finds: as many as were scrolled to, kept in place by
// the changes that the server tells.
import { $, el } from "./dom.js";
import { from } from "./jmap.js";
import { brief, shown } from "./mail.js";
import { Rows } from "./rows.js";
import { parse } from "./search.js";
import { show } from "./view.js";

const page = 50;
const margin = 600; // px below the pane within which more is shown

export class List {
	ids = []; // of the emails shown, from the first; one of each thread where it is collapsed
	total = 0;
	words = "";
	filter = null;
	state = null; // queryState

	constructor(jmap, mail, boxes, { open, selected }) {
		Object.assign(this, { jmap, mail, boxes });
		this.rows = new Rows(this, { open, selected });
		$("again").onclick = () => this.load();
		new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) this.more(); }, { root: $("list"), rootMargin: `${margin}px` }).observe($("end"));
	}

	// collapsed: one row a conversation. Drafts are resumed, and what a search finds is shown, one by one.
	get collapsed() { return !this.words && this.boxes.current.role !== "drafts"; }

	get emails() { return this.ids.map((id) => this.mail.emails.get(id)).filter(Boolean); }

	key(email) { return this.collapsed ? email.threadId : email.id; }

	// members are the emails that a row stands for: those of its thread that are in the mailbox.
	members(email) {
		if (!this.collapsed) return [email];
		const all = this.mail.thread(email).filter((e) => e.mailboxIds[this.boxes.current.id]);
		return all.length ? all : [email];
	}

	query() {
		return { filter: this.filter, sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: this.collapsed, calculateTotal: true };
	}

	// calls ask for a part of the list, in one request: which emails, what the list shows of them, and the others of
	// their threads.
	calls(where) {
		const calls = [["Email/query", { ...this.query(), limit: page, ...where }], ["Email/get", { "#ids": from(0, "Email/query", "/ids"), properties: shown }]];
		if (this.collapsed) {
			calls.push(["Thread/get", { "#ids": from(1, "Email/get", "/list/*/threadId") }], ["Email/get", { "#ids": from(2, "Thread/get", "/list/*/emailIds"), properties: brief }]);
		}
		return calls;
	}

	// choose shows a mailbox, search what is found. An error in what is searched for is shown in place of a list.
	async choose(box) {
		this.boxes.current = box;
		this.words = "";
		$("search").value = "";
		this.filter = { inMailbox: box.id };
		await this.#begin();
	}

	async search(words) {
		if (!words.trim()) return this.choose(this.boxes.current);
		try {
			this.filter = parse(words, this.boxes);
		} catch (e) {
			$("search").setAttribute("aria-invalid", "true");
			this.say(`${e.message[0].toUpperCase()}${e.message.slice(1)}.`);
			return;
		}
		this.words = words.trim();
		await this.#begin();
	}

	async #begin() {
		$("search").removeAttribute("aria-invalid");
		show("list");
		this.ids = [];
		this.total = 0;
		this.state = null;
		this.rows.clear();
		this.boxes.draw(Boolean(this.words));
		$("list-title").textContent = this.words ? `Found: ${this.words}` : this.boxes.current.name;
		$("list-total").textContent = "";
		$("list").scrollTop = 0;
		await this.load();
	}

	// load shows the list from its beginning, as much of it as was shown.
	async load() {
		const asked = this.asked = Symbol("asked");
		this.say("Loading …");
		try {
			const [q, ...gets] = await this.jmap.ask(...this.calls({ limit: Math.min(500, Math.max(page, this.ids.length)) }));
			if (asked !== this.asked) return; // another list was asked for meanwhile
			if (q instanceof Error) throw q;
			if (gets[0] instanceof Error) throw gets[0];
			this.mail.take(...gets);
			this.mail.state ??= gets[0].state;
			this.ids = q.ids;
			this.#know(q);
			this.#fill();
		} catch (e) {
			if (asked === this.asked) this.say(`This cannot be shown: ${e.message}.`, true);
		}
	}

	#know(q) {
		this.total = q.total ?? this.ids.length;
		this.state = q.canCalculateChanges === false ? null : q.queryState ?? q.newQueryState;
		this.draw();
	}

	// fill shows more while there is room for it.
	#fill() {
		const end = $("end");
		if (end.offsetParent && end.getBoundingClientRect().top < $("list").getBoundingClientRect().bottom + margin) this.more();
	}

	// more shows what comes next. If the list changed meanwhile, it is brought up to date first.
	async more() {
		if (this.loading || this.ids.length === 0 || this.ids.length >= this.total) return;
		this.loading = true;
		const asked = this.asked;
		try {
			for (let tries = 0; tries < 3; tries++) {
				const [q, ...gets] = await this.jmap.ask(...this.calls({ anchor: this.ids.at(-1), anchorOffset: 1 }));
				if (asked !== this.asked) return;
				if (q instanceof Error && q.type !== "anchorNotFound") throw q;
				if (!(q instanceof Error) && (this.state === null || q.queryState === this.state)) {
					this.mail.take(...gets);
					this.ids.push(...q.ids.filter((id) => !this.ids.includes(id)));
					this.#know(q);
					setTimeout(() => this.#fill());
					return;
				}
				await this.sync();
			}
		} catch (e) {
			if (asked === this.asked) this.say(`There is more, which cannot be shown: ${e.message}.`, true);
		} finally {
			this.loading = false;
		}
	}

	// apply makes the list that changes make of it, and reports whether they could be told.
	async apply(changes) {
		if (changes instanceof Error || changes.oldQueryState !== this.state) return false;
		const removed = new Set(changes.removed);
		this.ids = this.ids.filter((id) => !removed.has(id));
		for (const { id, index } of changes.added) if (index <= this.ids.length) this.ids.splice(index, 0, id);
		this.#know(changes);
		return true;
	}

	draw() {
		this.rows.draw();
		$("list-total").textContent = this.total ? `${this.total} ${this.collapsed ? (this.total === 1 ? "conversation" : "conversations") : this.total === 1 ? "message" : "messages"}` : "";
		this.say(this.total > 0 ? "" : this.words ? "Nothing was found. A ? shows what can be asked for." : "Nothing is here.");
	}

	// say says why there is no list.
	say(text, fault = false) {
		$("state").textContent = text;
		$("state").hidden = !text;
		$("state").classList.toggle("fault", fault);
		$("again").hidden = !fault;
	}
}
