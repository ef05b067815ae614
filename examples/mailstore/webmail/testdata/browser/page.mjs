// Reads and writes mail in a browser: node page.mjs URL CHROMIUM EVIL. With SHOTS=FOLDER it takes pictures.
// Exits with 1 and says what is wrong.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const [url, executablePath, evil] = process.argv.slice(2);
const faults = [];
const check = (ok, what) => { if (!ok) faults.push(what); };

const browser = await chromium.launch({
	executablePath,
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(width, height, colorScheme) {
	const page = await (await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true })).newPage();
	page.setDefaultTimeout(20_000);
	page.at = `${width} px`;
	page.evil = [];
	page.loads = 0;
	page.on("console", (m) => check(!["error", "warning"].includes(m.type()) || m.text().includes("401"), `console at ${page.at}: ${m.text()}`));
	page.on("pageerror", (e) => check(false, `script at ${page.at}: ${e.message}`));
	page.on("dialog", (d) => { check(false, `a dialog at ${page.at}: ${d.message()}`); d.dismiss(); });
	page.on("request", (r) => {
		if (r.url().startsWith(evil)) page.evil.push(`${r.resourceType()} ${r.url()}`);
		else check(/^(data|blob):/.test(r.url()) || r.url().startsWith(url), `request at ${page.at} to ${r.url()}`);
	});
	await page.goto(url);
	page.on("load", () => page.loads++);
	return page;
}

async function login(page, password = "sécret") {
	await page.fill("#name", "alice@example.com");
	await page.fill("#password", password);
	await page.keyboard.press("Enter");
}

const narrow = async (page, where) => check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `a scroll bar at ${page.at}: ${where}`);
const shot = async (page, name) => { if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` }); };
const row = (page, subject) => page.locator("#messages button", { has: page.locator(".subject", { hasText: subject }) }).first();

// Everything that can be used has a name.
async function named(page, where) {
	const cdp = await page.context().newCDPSession(page);
	const { nodes } = await cdp.send("Accessibility.getFullAXTree");
	for (const n of nodes) {
		if (n.ignored || !["button", "textbox", "searchbox", "link", "combobox", "Iframe", "dialog", "navigation", "region", "image", "list"].includes(n.role?.value)) continue;
		if (["list", "image"].includes(n.role.value) && !n.name) continue;
		const own = n.role.value !== "list";
		check(!own || n.name?.value, `${n.role.value} without a name at ${page.at}: ${where}`);
	}
	await cdp.detach();
}

// Written, sent with an attachment, pushed, read, answered, flagged, found and filed, without a reload.
async function desktop() {
	const page = await open(1280, 800, "light");
	await named(page, "login");
	await login(page, "wrong");
	await page.waitForFunction(() => document.querySelector("#login-error").textContent === "Name or password is wrong.");
	await login(page);
	await page.waitForSelector("#live[data-state=live]");
	await row(page, "<b>bold</b>").waitFor();
	for (const pane of ["#boxes", "#list", "#reader"]) check(await page.locator(pane).isVisible(), `${pane} is not shown`);
	check((await page.locator("#messages b, #messages script").count()) === 0, "markup of a subject became markup of the page");

	await page.keyboard.press("c");
	await page.fill("#to", "Alice A. <alice@example.com>");
	await page.fill("#subject", "Grüße to myself");
	await page.fill("#text", "See https://example.com/a?b=c.\nBye");
	await page.setInputFiles("#attach", { name: "ä b.txt", mimeType: "text/plain", buffer: Buffer.from("attached") });
	await page.waitForFunction(() => document.querySelector("#files").textContent.includes("8 bytes)") && !document.querySelector("#files").textContent.includes("uploading"));
	await named(page, "compose");
	await shot(page, "compose");
	await page.click("#send");
	await row(page, "Grüße to myself").waitFor();
	await page.waitForFunction(() => document.querySelector("#news").textContent.includes("New message from"));
	check(page.loads === 0, "the page was loaded again");

	await row(page, "Grüße to myself").focus();
	await page.keyboard.press("Enter");
	await page.waitForSelector("#reader .text");
	check((await page.textContent("#reader .text")).includes("Bye"), "the text is not shown");
	check((await page.getAttribute("#reader .text a", "href")) === "https://example.com/a?b=c", "an address in a text is no link to it");
	const [download] = await Promise.all([page.waitForEvent("download"), page.click(".files button")]);
	check(download.suggestedFilename() === "ä b.txt" && (await readFile(await download.path(), "utf8")) === "attached", `attachment ${download.suggestedFilename()}`);
	await page.waitForFunction(() => document.querySelector("#messages [aria-current]") && !document.querySelector("#messages [aria-current]").classList.contains("unread"));
	await named(page, "reader");
	await shot(page, "desktop");

	await page.keyboard.press("r");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#subject")) === "Re: Grüße to myself" && (await page.inputValue("#text")).includes("> Bye"), "a reply quotes nothing");
	await page.fill("#to", "nobody");
	await page.click("#send");
	await page.waitForFunction(() => document.querySelector("#compose-error").textContent.includes("nobody is not an address"));
	await page.fill("#to", "alice@example.com");
	await page.click("#draft");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });
	await page.click("[data-box=Drafts]");
	await row(page, "Re: Grüße to myself").waitFor();
	await page.click("[data-box=INBOX]").catch(() => page.click("#boxes button >> nth=0"));
	await row(page, "Re: Grüße to myself").waitFor({ state: "detached" }); // the list is that of the inbox

	await row(page, "Grüße to myself").click();
	await page.waitForSelector("#reader .text");
	await page.keyboard.press("s");
	await page.waitForSelector("#messages [aria-label=flagged]");
	await page.keyboard.press("/");
	await page.keyboard.type("Grüße");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#list-title").textContent.includes("Found") && document.querySelectorAll("#messages li").length === 3);
	await page.fill("#search", "");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelectorAll("#messages li").length > 20);
	await row(page, "Grüße to myself").click();
	await page.waitForSelector("#reader .text");
	await page.keyboard.press("e");
	await page.waitForFunction(() => ![...document.querySelectorAll("#messages .subject")].some((s) => s.textContent === "Grüße to myself"));
	await page.click("[data-box=Archive]");
	await row(page, "Grüße to myself").waitFor();
	await page.click("#boxes button >> nth=0");
	await row(page, "attack: script").waitFor();
	await page.locator("#messages button").first().focus();
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	await page.keyboard.press("k");
	check(await page.evaluate(() => document.activeElement === document.querySelectorAll("#messages button")[1]), "j and k move the focus elsewhere");
	await page.keyboard.press("?");
	await page.waitForSelector("#help[open]");
	await page.keyboard.press("Escape");
	await page.context().close();
}

// A telephone in the dark.
async function phone() {
	const page = await open(360, 740, "dark");
	await narrow(page, "login");
	await shot(page, "phone-login");
	await login(page);
	await row(page, "attack: script").waitFor();
	await narrow(page, "list");
	await shot(page, "phone-list");
	const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).every((c) => c < 64));
	check(dark, "it is not dark");
	await page.click("#menu");
	check(await page.locator("#boxes").isVisible() && !(await page.locator("#list").isVisible()), "the mailboxes are not alone");
	await narrow(page, "mailboxes");
	await shot(page, "phone-boxes");
	await page.click("#boxes button >> nth=0");
	await row(page, "attack: tracking").click();
	await page.waitForSelector("#reader iframe");
	await narrow(page, "reader");
	await named(page, "phone reader");
	await shot(page, "phone-reader");
	await page.click("[data-action=text]");
	await page.waitForSelector("#reader .text");
	await page.click("[aria-label='Back to the list']");
	await page.click("#write");
	await narrow(page, "compose");
	await shot(page, "phone-compose");
	check(page.evil.length === 0, `a server of the attacker's was asked: ${page.evil}`);
	await page.context().close();
}

// Requests are decided on, an address for one correspondent is made and disconnected, correspondents are let go.
async function people() {
	const page = await open(1280, 900, "light");
	await login(page);
	await row(page, "attack: script").waitFor();
	const item = (list, text) => page.locator(`#${list} li`, { hasText: text });
	const button = (list, text, name) => item(list, text).getByRole("button", { name });
	const waits = (n) => page.waitForFunction((n) => n === 0 ? document.querySelector("#waiting").hidden : document.querySelector("#waiting").textContent === String(n), n);
	await waits(3);
	await page.keyboard.press("p");
	await item("requests", "ann@example.org").waitFor();
	check((await page.locator("#requests li").count()) === 3 && (await page.locator("#requests li b").count()) === 0, "markup of a name became markup of the page");
	await named(page, "contacts");
	await shot(page, "contacts");
	await button("requests", "ann@example.org", "Accept").click();
	await item("grants", "ann@example.org").waitFor();
	await button("requests", "ben@example.org", "Decline").click();
	await item("requests", "ben@example.org").waitFor({ state: "detached" });
	await waits(1);
	await button("requests", "cat@example.org", "Block").click();
	await item("grants", "cat@example.org blocked").waitFor();
	await waits(0);
	check((await page.textContent("#requests")) === "Nobody waits.", "somebody waits");
	await page.fill("#channel-note", "shoes <b>");
	await page.keyboard.press("Enter");
	await item("channels", "shoes <b>").waitFor();
	check(/^alice\+[0-9a-v]{32}@example\.com$/.test(await page.textContent("#channels .address")), "the new address is none");
	await button("channels", "shoes", "Pause").click();
	await button("channels", "shoes", "Resume").click();
	await button("channels", "shoes", "Pause").waitFor();
	const phone = await open(360, 740, "dark");
	await login(phone);
	await phone.waitForSelector("#live[data-state=live]");
	await phone.click("#contacts-open");
	await phone.locator("#channels li .address").waitFor();
	await narrow(phone, "contacts");
	await named(phone, "contacts");
	await shot(phone, "phone-contacts");
	await phone.context().close();
	await button("channels", "shoes", "Disconnect").click();
	await item("channels", "disconnected").waitFor();
	check((await item("channels", "shoes").getByRole("button").count()) === 0, "a disconnected channel has buttons");
	await button("grants", "ann@example.org", "Disconnect").click();
	await item("grants", "ann@example.org").waitFor({ state: "detached" });
	await button("grants", "cat@example.org", "Forget").click();
	await page.waitForFunction(() => document.querySelector("#grants").textContent.startsWith("You have not written"));
	check((await page.textContent("#contacts-error")) === "", "an error is shown");
	await page.click("#contacts-close");
	await row(page, "May I write? <b>ann</b>").waitFor();
	check((await row(page, "May I write? <b>ben</b>").count()) === 0, "what was declined is in the inbox");
	check(page.loads === 0, "the page was loaded again");
	await page.context().close();
}

// Every attack is opened; nothing happens but that its text is there.
async function attacks() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "attack: script").waitFor();
	const subjects = (await page.locator("#messages .subject").allTextContents()).filter((s) => s.startsWith("attack: "));
	check(subjects.length >= 20, `${subjects.length} attacks`);
	for (const subject of subjects) {
		page.at = subject;
		await page.locator("#messages button", { has: page.getByText(subject, { exact: true }) }).click();
		await page.waitForFunction((s) => document.querySelector("#reader h2")?.textContent === s && document.querySelector("#reader iframe"), subject);
		const frame = await (await page.waitForSelector("#reader iframe")).contentFrame();
		await frame.waitForLoadState("load");
		await frame.waitForSelector("text=hello");
		const found = await frame.evaluate(() => ({ origin: self.origin, script: document.scripts.length, forms: document.forms.length, frames: frames.length,
			links: [...document.links].map((a) => [a.protocol, a.target, a.rel, a.textContent, a.nextSibling?.textContent ?? "", a.href]) }));
		check(found.origin === "null" && found.script + found.forms + found.frames === 0, `${subject}: ${JSON.stringify(found)}`);
		for (const [protocol, target, rel, text, after, href] of found.links) {
			check(["http:", "https:", "mailto:"].includes(protocol) && target === "_blank" && rel.includes("noopener noreferrer"), `${subject}: a link ${href}`);
			check(text === href || text + "/" === href || after.includes(href), `${subject}: ${text} leads to ${href} and does not say so`);
		}
		check(page.url() === `${url}/`, `${subject}: the page went to ${page.url()}`);
	}
	check(page.evil.length === 0, `a server of the attacker's was asked: ${page.evil}`);
	check(page.loads === 0, "the page was loaded again");
	check(page.context().pages().length === 1, "a window opened");

	page.at = "pictures that were asked for";
	await page.locator("#messages button", { has: page.getByText("attack: tracking", { exact: true }) }).click();
	await page.click("[data-action=images]");
	await page.waitForRequest((r) => r.url().startsWith(evil), { timeout: 5000 }).catch(() => {});
	check(page.evil.length > 0 && page.evil.every((r) => r.startsWith("image ")), `pictures that were asked for: ${page.evil}`);

	// A page of another origin, in the same browser.
	const answers = [];
	const forger = await page.context().newPage();
	forger.on("response", (r) => { if (r.url().startsWith(url)) answers.push([r.request().method(), r.url(), r.status()]); });
	await forger.goto(`${evil}/forge`);
	await forger.waitForFunction(() => document.title.split(" ").length >= 5, null, { timeout: 5000 }).catch(() => {});
	const title = await forger.title();
	check(!/READ|OPENED/.test(title) && title.includes("refused"), `another origin's page: ${title}`);
	check(answers.length >= 3 && answers.every(([method, , status]) => method === "GET" && status === 200 || status >= 400), `another origin's page: ${JSON.stringify(answers)}`);
	await page.context().close();
}

const only = process.env.ONLY?.split(",");
for (const [name, run] of Object.entries({ desktop, phone, people, attacks })) {
	if (only && !only.includes(name)) continue;
	try {
		await run();
	} catch (e) {
		faults.push(`${name}: ${e.stack}`);
	}
}
await browser.close();
if (faults.length > 0) {
	console.error(faults.join("\n"));
	process.exit(1);
}
