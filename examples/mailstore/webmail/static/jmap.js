// JMAP over one WebSocket (RFC 8887): requests, and changes as they are pushed. Uploads, downloads and the ticket that
// opens the socket go over HTTP with the name and the password, which live here and nowhere else.

const core = "urn:ietf:params:jmap:core", mail = "urn:ietf:params:jmap:mail", submission = "urn:ietf:params:jmap:submission";
const vacation = "urn:ietf:params:jmap:vacationresponse";
const contact = "https://github.com/mailbricks/mailbricks/jmap/contact";
const ticketing = "https://github.com/mailbricks/mailbricks/jmap/ticket";

export class Jmap {
	#authorization;
	#socket = null;
	#waiting = new Map(); // requests by their ids
	#next = 0;
	#place = null; // pushState
	#failures = 0;

	// changed gets the types that changed, null for whatever there is. live gets "live", "off" while the connection is
	// broken, and "out" where the server does not take the password any more.
	constructor(name, password, { changed, live }) {
		this.#authorization = "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(`${name}:${password}`)));
		this.changed = changed;
		this.live = live;
	}

	// fetch asks the server, and only it. Nothing that the browser knows is sent along.
	async fetch(address, init = {}) {
		const url = new URL(address, location.href);
		if (url.origin !== location.origin) throw new Error("the session leads to another server");
		const r = await fetch(url, { ...init, credentials: "omit", redirect: "error", headers: { ...init.headers, Authorization: this.#authorization } });
		if (!r.ok) {
			const problem = await r.json().catch(() => ({}));
			throw Object.assign(new Error(problem.detail || `the server answers ${r.status}`), { status: r.status });
		}
		return r;
	}

	async open() {
		this.session = await (await this.fetch("/.well-known/jmap")).json();
		this.account = this.session.primaryAccounts[mail];
		if (!this.account) throw new Error("this user has no mail here");
		this.using = [core, mail, ...(this.maySend ? [submission] : []), ...(this.hasContacts ? [contact] : []), ...(this.hasVacation ? [vacation] : [])];
		await this.#connect();
	}

	get hasVacation() { return vacation in (this.session.accounts[this.account].accountCapabilities ?? {}); }

	get hasContacts() { return contact in (this.session.accounts[this.account].accountCapabilities ?? {}); }

	// maxDelay is for how many seconds a letter can be held before it is sent.
	get maxDelay() { return this.session.accounts[this.account].accountCapabilities?.[submission]?.maxDelayedSend ?? 0; }

	get maySend() { return submission in (this.session.accounts[this.account].accountCapabilities ?? {}); }

	async #connect() {
		const { ticket } = await (await this.fetch(this.session.capabilities[ticketing].url, { method: "POST" })).json();
		const url = new URL(this.session.capabilities["urn:ietf:params:jmap:websocket"].url);
		if (url.host !== location.host) throw new Error("the session leads to another server");
		url.searchParams.set("ticket", ticket);
		await new Promise((resolve, reject) => {
			const s = new WebSocket(url, "jmap");
			s.onopen = () => {
				this.#socket = s;
				this.#failures = 0;
				s.send(JSON.stringify({ "@type": "WebSocketPushEnable", dataTypes: ["Email", "Mailbox", "Identity", "EmailSubmission"], pushState: this.#place ?? undefined }));
				this.live("live");
				resolve();
			};
			s.onmessage = (m) => this.#message(JSON.parse(m.data));
			s.onclose = () => {
				reject(new Error("the connection broke"));
				if (this.#socket === s) this.#lost();
			};
		});
	}

	// lost comes back, sooner at first, at once when retry is called. Whatever changed meanwhile is told then.
	#lost() {
		this.#socket = null;
		this.live("off");
		for (const { reject } of this.#waiting.values()) reject(new Error("the connection broke"));
		this.#waiting.clear();
		this.#again();
	}

	#again() {
		const pause = Math.min(30_000, 500 * 2 ** this.#failures++) * (0.75 + Math.random() / 2);
		let timer = 0;
		const attempt = async () => {
			clearTimeout(timer);
			this.retry = () => {};
			try {
				await this.#connect();
				if (!this.#place) this.changed(null);
			} catch (e) {
				if (e.status === 401) this.live("out");
				else this.#again();
			}
		};
		timer = setTimeout(attempt, pause);
		this.retry = attempt;
	}

	retry = () => {};

	#message(m) {
		if (m["@type"] === "StateChange") {
			this.#place = m.pushState ?? this.#place;
			this.changed(m.changed[this.account] ?? {});
			return;
		}
		const w = this.#waiting.get(m.requestId);
		this.#waiting.delete(m.requestId);
		if (m["@type"] === "Response") w?.resolve(m.methodResponses);
		else w?.reject(new Error(m.detail || m.type));
	}

	// ask makes method calls, [name, arguments] each, in one request; their ids are "0", "1" and so on. It returns the
	// arguments of the responses, an Error with the type of the method error for each call that failed.
	async ask(...calls) {
		if (!this.#socket) throw new Error("there is no connection to the server");
		const id = String(this.#next++);
		const responses = await new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			this.#socket.send(JSON.stringify({ "@type": "Request", id, using: this.using,
				methodCalls: calls.map(([name, args], i) => [name, { accountId: this.account, ...args }, String(i)]) }));
		});
		return calls.map(([name], i) => {
			const mine = responses.filter((r) => r[2] === String(i));
			const failed = mine.find((r) => r[0] === "error");
			if (failed) return Object.assign(new Error(failed[1].description || failed[1].type), { type: failed[1].type });
			return mine.find((r) => r[0] === name)[1];
		});
	}

	// call is ask that throws the first error.
	async call(...calls) {
		const answers = await this.ask(...calls);
		for (const a of answers) if (a instanceof Error) throw a;
		return answers;
	}

	// set changes emails. It throws where one is refused.
	async set(args) {
		const [r] = await this.call(["Email/set", args]);
		refused(r);
		return r;
	}

	// update makes a patch for each of many emails, as many at a time as the server takes.
	async update(patches) {
		const all = Object.entries(patches), most = this.session.capabilities[core].maxObjectsInSet;
		for (let i = 0; i < all.length; i += most) await this.set({ update: Object.fromEntries(all.slice(i, i + most)) });
	}

	async upload(file) {
		const url = this.session.uploadUrl.replace("{accountId}", encodeURIComponent(this.account));
		return (await this.fetch(url, { method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream" } })).json();
	}

	async download(blobId, name, type) {
		const values = { accountId: this.account, blobId, name, type };
		const url = this.session.downloadUrl.replace(/\{(\w+)\}/g, (_, k) => encodeURIComponent(values[k]));
		return (await this.fetch(url)).blob();
	}
}

// from refers to the result of an earlier call of the same request (RFC 8620 §3.7).
export const from = (call, name, path) => ({ resultOf: String(call), name, path });

// refused throws what a /set says of records that it did not change.
export function refused(r) {
	for (const e of [...Object.values(r.notCreated ?? {}), ...Object.values(r.notUpdated ?? {}), ...Object.values(r.notDestroyed ?? {})]) {
		throw new Error(e.description || e.type);
	}
}
