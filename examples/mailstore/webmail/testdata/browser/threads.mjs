import { check, login, named, narrow, open, row, shot } from "./kit.mjs";

const letters = (page) => page.locator("#letters article");
const expanded = (page) => page.locator("#letters article:not(.closed)");

// A conversation with letters that were read, quotations, a forged author, and a copy to others: read, answered to all,
// forwarded with what is attached, and added to while it is open.
export async function threads() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "Picnic").waitFor();
	const picnic = page.locator("#messages li", { has: page.locator(".subject", { hasText: "Picnic" }) });
	check((await picnic.count()) === 1, "a conversation has several rows");
	check((await picnic.locator(".many").textContent()) === "4" && (await picnic.locator(".from").textContent()).includes("Ann, Ben"), `row: ${await picnic.textContent()}`);
	await row(page, "Picnic").click();
	await page.waitForSelector("#letters .text");
	check((await letters(page).count()) === 4, `${await letters(page).count()} letters`);
	check((await expanded(page).count()) === 2, `${await expanded(page).count()} letters are open, not the two that are new`);
	await page.waitForFunction(() => document.title === "(1) Mail");
	await named(page, "conversation");
	await shot(page, "thread");

	// Quoted text is folded, in text and in HTML, and a click shows it.
	const last = expanded(page).last();
	check((await last.locator("details.quote").count()) === 1 && !(await last.locator("details.quote > div").isVisible()), "quoted text is not folded");
	check((await last.locator(".text > div").first().textContent()).includes("I bring cake"), "what is new is folded");
	await last.locator("summary").click();
	check((await last.locator("details.quote").textContent()).includes("wrote:\n> Who brings cake?"), "the quoted text is not that which was quoted");
	const frame = await (await expanded(page).first().locator("iframe").elementHandle()).contentFrame();
	await frame.waitForLoadState("load");
	const visible = () => frame.evaluate(() => document.querySelector("blockquote").checkVisibility());
	check(!(await visible()), "a quotation in HTML is not folded");
	await frame.evaluate(() => document.querySelector("summary").click());
	check(await visible(), "a quotation in HTML cannot be shown");
	const height = await expanded(page).first().locator("iframe").evaluate((f) => f.clientHeight);
	check(height < 300, `a short text has a frame of ${height} px`);

	// A closed letter opens, by the keyboard too.
	await letters(page).first().locator(".top").focus();
	await page.keyboard.press("Enter");
	await letters(page).first().locator(".text").waitFor();
	check((await letters(page).first().locator(".top").getAttribute("aria-expanded")) === "true", "what is open is not said to be");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#letters article").classList.contains("closed"));

	// Reply answers one, reply all everybody but oneself; the identity is that to which it was written.
	await last.locator(".top").focus();
	await page.keyboard.press("r");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#to")) === "Ben Two <ben@example.org>" && (await page.locator("#copies").isHidden()), "a reply goes to others");
	check((await page.locator("#from option").count()) === 2, "there is no choice of identities");
	await page.keyboard.press("Escape");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });
	await last.locator(".top").focus();
	await page.keyboard.press("a");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#to")) === "Ben Two <ben@example.org>", `reply all: to ${await page.inputValue("#to")}`);
	check((await page.inputValue("#cc")) === "Ann One <ann@example.org>, \"Three, Cat\" <cat@example.org>", `reply all: cc ${await page.inputValue("#cc")}`);
	check((await page.inputValue("#subject")) === "Re: Picnic", "the subject of the answer");
	check((await page.inputValue("#text")).includes("Ben Two <ben@example.org> wrote:\n> I bring cake"), "the answer quotes nothing");
	await page.selectOption("#from", { label: "Alice at work <alice@example.com>" });
	check((await page.inputValue("#text")).includes("\n\n-- \nAlice, Cakes & Co.\n\nOn "), `no signature: ${await page.inputValue("#text")}`);
	await named(page, "reply all");
	await shot(page, "replyall");
	await page.fill("#to", "alice@example.com");
	await page.fill("#cc", "");
	await page.click("#send");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });

	// It comes back into the conversation that is open, and is one letter, though one has it twice.
	await page.waitForFunction(() => document.querySelectorAll("#letters article").length === 5);
	check((await letters(page).last().textContent()).includes("Alice at work <alice@example.com>"), "the letter is not from the identity that was chosen");
	await picnic.locator("[aria-label=answered]").waitFor();

	// Forward has the attachment along.
	await row(page, "With a picture").click();
	await page.waitForFunction(() => document.querySelector("#reader h2").textContent === "With a picture" && document.querySelector("#letters iframe"));
	await page.keyboard.press("f");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#subject")) === "Fwd: With a picture" && (await page.textContent("#files")).includes("cake.txt"), "a forwarded letter has no attachment");
	const text = await page.inputValue("#text");
	check(text.includes("Forwarded message") && text.includes("From: Ann One <ann@example.org>") && text.includes("Look at this:\n\n- cake\n- tea"), `forwarded: ${text}`);
	await page.fill("#to", "alice@example.com");
	await page.click("#send");
	await page.waitForSelector("#compose:not([open])", { state: "attached" });
	await row(page, "Fwd: With a picture").click();
	await page.waitForFunction(() => document.querySelector("#reader h2")?.textContent === "Fwd: With a picture");
	const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#letters .files button").last().click()]);
	check(download.suggestedFilename() === "cake.txt", `attachment ${download.suggestedFilename()}`);
	check(page.loads === 0, "the page was loaded again");

	// Of many letters that were read, the first and the last are there, and the others when asked for.
	await row(page, "Long story").click();
	await page.waitForFunction(() => document.querySelector("#reader h2")?.textContent === "Long story" && document.querySelector("#letters .text"));
	const seen = () => letters(page).evaluateAll((all) => all.filter((l) => l.checkVisibility()).length);
	check((await seen()) === 3 && (await page.textContent("#older")) === "9 more letters", `${await seen()} of 12 letters are shown`);
	await page.locator("#older").focus();
	await page.keyboard.press("Enter");
	check((await seen()) === 12 && (await page.locator("#older").count()) === 0, `${await seen()} of 12 letters are shown when asked for`);
	check(await page.evaluate(() => document.activeElement.closest("article") === document.querySelectorAll("#letters article")[1]), "the focus is not where the letters are that were asked for");

	const phone = await open(360, 780, "dark");
	await login(phone);
	await row(phone, "Picnic").click();
	await phone.waitForSelector("#letters .text");
	check(await phone.evaluate(() => document.activeElement.matches("#reader h2")), "the focus is on what is not seen");
	await narrow(phone, "conversation");
	await shot(phone, "phone-thread");
	await phone.keyboard.press("a");
	await phone.waitForSelector("#compose[open]");
	await narrow(phone, "reply all");
	await shot(phone, "phone-replyall");
	await phone.context().close();
	await page.context().close();
}
