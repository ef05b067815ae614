import { check, login, methods, named, open, requests, row, tell } from "./kit.mjs";

const rows = (page) => page.locator("#messages li");
const many = (page, n) => page.waitForFunction((n) => document.querySelectorAll("#messages li").length === n, n);
const total = (page, text) => page.waitForFunction((text) => document.querySelector("#list-total").textContent === text, text);
const scroll = (page) => page.locator("#list").evaluate((l) => { l.scrollTop = l.scrollHeight; });

// 120 letters: shown by one request, scrolled through, and kept right by what is pushed, without being asked for again.
export async function list() {
	const page = await open(1280, 800, "light");
	const sent = requests(page);
	await page.reload();
	page.loads = 0;
	await login(page);
	await row(page, "Letter 120").waitFor();
	await total(page, "120 conversations");
	check((await rows(page).count()) === 50, `${await rows(page).count()} rows at first`);
	await page.waitForFunction(() => document.title === "(120) Mail");

	// One request for a list, by result references; the test makes it again and looks what it reads.
	sent.length = 0;
	await page.click("[data-box=Archive]");
	await page.waitForFunction(() => document.querySelector("#state").textContent === "Nothing is here.");
	await page.click("[data-box=Inbox]");
	await row(page, "Letter 120").waitFor();
	check(sent.length === 2 && methods(sent[1]) === "Email/query Email/get Thread/get Email/get", `requests for two lists: ${sent.map(methods).join("; ")}`);
	console.log(`REQUEST ${JSON.stringify(sent[1])}`);

	await scroll(page);
	await many(page, 100);
	await scroll(page);
	await many(page, 120);
	const subjects = await page.locator("#messages .subject").allTextContents();
	check(subjects.every((s, i) => s === `Letter ${String(120 - i).padStart(3, "0")}`), `the order: ${subjects}`);
	check((await rows(page).last().getAttribute("aria-posinset")) === "120" && (await rows(page).first().getAttribute("aria-setsize")) === "120", "the place of a row in the list is not told");
	await scroll(page);
	await page.waitForTimeout(200);
	check((await rows(page).count()) === 120, "there is more than all");

	// A window that is higher than the first part shows as much as it has room for.
	const high = await open(1280, 6000, "light");
	await login(high);
	await many(high, 100);
	await high.context().close();

	// What comes is put in its place; nothing is asked for again, no row is made anew, the place is not lost.
	await page.evaluate(() => { for (const li of document.querySelectorAll("#messages li")) li.old = true; });
	await row(page, "Letter 005").focus();
	const top = await row(page, "Letter 005").evaluate((e) => e.getBoundingClientRect().top);
	sent.length = 0;
	await tell("deliver?subject=Fresh");
	await row(page, "Fresh").waitFor();
	await total(page, "121 conversations");
	await page.waitForFunction(() => document.querySelector("#news").textContent === "New message from Dan: Fresh" && document.title === "(121) Mail");
	check(sent.length > 0 && sent.every((r) => !/Email\/query /.test(`${methods(r)} `) && JSON.stringify(r).length < 3000), `asked for by a push: ${sent.map(methods).join("; ")}`);
	check((await page.evaluate(() => [...document.querySelectorAll("#messages li")].filter((li) => li.old).length)) === 120, "rows were made anew");
	check(await page.evaluate(() => document.activeElement.querySelector(".subject")?.textContent === "Letter 005"), "the focus is lost");
	check(Math.abs(await row(page, "Letter 005").evaluate((e) => e.getBoundingClientRect().top) - top) < 200, "the place in the list is lost");

	// An answer moves its conversation to the top; it is one still.
	await tell("deliver?subject=Letter+060&answers=060");
	await page.waitForFunction(() => document.querySelector("#messages .subject").textContent === "Letter 060" && document.querySelector("#messages .many")?.textContent === "2");
	await total(page, "121 conversations");
	check((await rows(page).count()) === 121, "an answer is a conversation of its own");

	// Another window files two away: they go here too.
	const other = await open(1280, 800, "dark");
	await login(other);
	await row(other, "Letter 119").waitFor();
	for (const subject of ["Letter 119", "Letter 118"]) {
		await row(other, subject).focus();
		await other.keyboard.press("e");
		await row(other, subject).waitFor({ state: "detached" });
		await row(page, subject).waitFor({ state: "detached" });
	}
	await total(page, "119 conversations");
	await total(other, "119 conversations");

	// And a hundred at once.
	await tell("deliver?subject=Flood&times=300");
	await total(page, "419 conversations");
	await total(other, "419 conversations");
	check((await page.textContent("#messages .subject")) === "Flood 299", "the newest is not the first");
	const shown = await page.locator("#messages .subject").allTextContents();
	check(new Set(shown).size === shown.length, "a row is there twice");
	await other.context().close();

	// Mailboxes in mailboxes.
	check(await page.locator("[data-box=Cake]").isVisible(), "a mailbox in another is not shown");
	await page.click("[aria-label='Mailboxes in Projects']");
	check((await page.locator("[data-box=Cake]").count()) === 0 && (await page.getAttribute("[aria-label='Mailboxes in Projects']", "aria-expanded")) === "false", "a mailbox does not fold");
	await page.keyboard.press("Enter");
	await page.locator("[data-box=Cake]").waitFor();
	await row(page, "Flood 299").focus();
	await page.keyboard.press("v");
	await page.keyboard.type("cake");
	await page.keyboard.press("Enter");
	await page.locator("[data-box=Cake] [aria-label='1 unread']").waitFor();
	await named(page, "mailboxes");
	check(page.loads === 0, "the page was loaded again");
	await page.context().close();
}
