// What is known of the mail: the emails of the list and those of their threads, as they were last told.

// shown is what a list has of an email; brief what it has of the others of a thread. The server knows both without
// reading a message.
export const shown = ["id", "threadId", "mailboxIds", "keywords", "from", "to", "subject", "receivedAt", "preview", "hasAttachment", "messageId"];
export const brief = ["id", "threadId", "mailboxIds", "keywords", "from", "messageId"];

export class Mail {
	emails = new Map();
	threads = new Map(); // the ids of their emails, the oldest first
	state = null; // of Email/changes: nothing older is kept

	clear() {
		this.emails.clear();
		this.threads.clear();
		this.state = null;
	}

	// take keeps what responses to Email/get and Thread/get have. A call that failed tells nothing.
	take(...responses) {
		for (const r of responses) {
			if (!r || r instanceof Error) continue;
			for (const record of r.list) {
				if (record.emailIds) this.threads.set(record.id, record.emailIds);
				else this.emails.set(record.id, { ...this.emails.get(record.id), ...record });
			}
		}
	}

	forget(ids) {
		const gone = new Set(ids);
		for (const id of ids) {
			const thread = this.emails.get(id)?.threadId;
			this.emails.delete(id);
			if (this.threads.has(thread)) this.threads.set(thread, this.threads.get(thread).filter((x) => !gone.has(x)));
		}
	}

	// thread returns the emails of an email's thread that are known, the oldest first.
	thread(email) {
		const all = (this.threads.get(email.threadId) ?? []).map((id) => this.emails.get(id)).filter(Boolean);
		return all.length ? all : [email];
	}
}

// same reports whether two emails are copies of one letter: whether they have one Message-ID.
export const same = (a, b) => Boolean(a.messageId?.[0]) && a.messageId[0] === b.messageId?.[0];

// distinct leaves out copies.
export function distinct(emails) {
	const seen = new Set();
	return emails.filter(({ id, messageId }) => !seen.has(messageId?.[0] ?? id) && seen.add(messageId?.[0] ?? id));
}
